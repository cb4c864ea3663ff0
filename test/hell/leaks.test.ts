import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createHttpSender } from '../../src/deliver/http-sender.ts';
import type { SendResult, Target } from '../../src/model/exchange.ts';
import { systemClock } from '../../src/system/clock.ts';
import { receivers } from './receivers.ts';
import { startHell } from './server.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const ROUNDS = 8;
const EACH = 3;
const TIMEOUT_MS = 300;
/** Between the deadline and its timer, when the machine is busy. */
const SLACK_MS = 5_000;
const MIB = 1024 * 1024;
/** What garbage collection and the receivers, in this process too, leave to chance. One body read whole would be 64 MiB. */
const GROWTH_BYTES = 16 * MIB;

const collectGarbage = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** All that JavaScript holds, on its heap and beside it. */
async function heldBytes(): Promise<number> {
  for (let n = 0; n < 3; n++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const openSockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

it('hundreds of exchanges leave no socket and no memory behind', { timeout: 60_000 }, async () => {
  const mine = receivers.filter(({ dns }) => dns === undefined);
  const socketsBefore = openSockets();
  const hell = await startHell(mine, { dripMs: 20 });
  let left = 0;
  let roundEnded: () => void = () => {};
  const late: number[] = [];
  const sender = createHttpSender({
    allowNetworks: ['127.0.0.0/8', '::1/128'],
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock: systemClock,
    onResults(results: readonly SendResult[]) {
      for (const { exchange } of results) {
        const durationMs = exchange?.durationMs ?? 0;
        if (durationMs > TIMEOUT_MS + SLACK_MS) late.push(durationMs);
        if (--left === 0) roundEnded();
      }
    },
  });
  const targets = hell.receivers.map(({ url }): Target => {
    return { applicationKey: 1, href: url, headers: {}, secrets: [{ text: SECRET, until: null }] };
  });
  const payload = `{"text":"${'x'.repeat(200_000)}"}`;
  const round = async () => {
    const jobs = targets.flatMap((target) => {
      return Array.from({ length: EACH }, (_, ref) => {
        return { ref, target, messageId: 'msg_1', payload, timeoutMs: TIMEOUT_MS, test: false, queue: null };
      });
    });
    left = jobs.length;
    const ended = new Promise<void>((resolve) => {
      roundEnded = resolve;
    });
    sender.send(jobs);
    await ended;
  };

  await round();
  const before = await heldBytes();
  for (let n = 1; n < ROUNDS; n++) await round();
  // None that ended badly is kept, though its receiver would go on.
  const bad = hell.receivers.filter(({ receiver: { error } }) => error !== null);
  await Promise.all(bad.map((each) => each.idle()));
  const grown = (await heldBytes()) - before;
  expect(grown).toBeLessThan(GROWTH_BYTES);
  expect(late).toEqual([]);

  await sender.close();
  await Promise.all(hell.receivers.map((each) => each.idle()));
  await hell.close();
  await expect.poll(openSockets).toBe(socketsBefore);
});
