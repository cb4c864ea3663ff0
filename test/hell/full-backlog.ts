import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Listens on a thread that then never comes back to accept what connects. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer().listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});`;
/** More than a backlog of one holds, and of those that get in the longest. */
const FILLERS = 4;
const FILLED_MS = 200;

/** A port of loopback whose queue of connections is full, so that whoever else connects waits. */
export async function listenFull(port: number): Promise<{ port: number; close(): Promise<void> }> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: port });
  const [actual] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: FILLERS }, () => connect(actual, '127.0.0.1'));
  for (const filler of fillers) filler.on('error', () => undefined);
  await new Promise((resolve) => setTimeout(resolve, FILLED_MS));
  return {
    port: actual,
    async close() {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
