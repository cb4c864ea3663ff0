import { parentPort, workerData } from 'node:worker_threads';
import type { Target } from '../model/exchange.ts';
import { SharedClock } from '../model/shared-clock.ts';
import { systemClock } from '../system/clock.ts';
import { Holding } from './holding.ts';
import { createHttpSender } from './http-sender.ts';
import {
  type FromWorker,
  flatResults,
  readJobs,
  type ToWorker,
  type WorkerSettings,
} from './thread-messages.ts';

/** The sending thread: an HTTP sender behind messages. Started by `sender-thread.ts`. */
const port = parentPort;
if (port === null) throw new Error('sender-worker runs only as a worker thread.');

const targets = new Map<number, Target>();
const { holding, time, ...settings } = workerData as WorkerSettings;
const sender = createHttpSender({
  ...settings,
  clock: time === null ? systemClock : new SharedClock(systemClock, time),
  holding: new Holding(holding),
  onResults: (results) => post({ kind: 'results', results: flatResults(results) }),
  onBug: (error) =>
    post({ kind: 'bug', text: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
});

port.on('message', (message: ToWorker) => {
  if (message.kind === 'close') {
    // The results of what was broken off are posted before this resolves. The other side then ends the thread, which
    // by itself would still wait for name servers.
    void sender.close().then(() => post({ kind: 'closed' }));
    return;
  }
  for (const [number, target] of message.targets) targets.set(number, target);
  sender.send(readJobs(message.jobs, targetOf));
  for (const number of message.forget) targets.delete(number);
});

function targetOf(number: number): Target {
  const target = targets.get(number);
  if (target === undefined) throw new Error(`The job names target ${number}, which was never sent.`);
  return target;
}

function post(message: FromWorker): void {
  port?.postMessage(message);
}
