import { afterEach, expect, it } from 'vitest';
import { startReceiver } from '../../test/helpers/receiver.ts';
import type { Exchange } from '../model/exchange.ts';
import { SharedClock } from '../model/shared-clock.ts';
import { systemClock } from '../system/clock.ts';
import { createHttpSender } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

const HOUR_MS = 3_600_000;
/** A busy machine may stop a thread between two looks at two clocks. */
const SLACK_MS = 1_000;
const SECRET = { text: `whsec_${Buffer.alloc(32, 1).toString('base64')}`, until: null };

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

it.each([
  ['this thread', createHttpSender],
  ['a thread of its own', createThreadSender],
] as const)("signs by the store's time on %s, and holds by the own", async (_, make) => {
  const receiver = await startReceiver();
  const clock = new SharedClock(systemClock);
  let ended: (exchange: Exchange | null) => void = () => {};
  const sender = make({
    allowNetworks: ['127.0.0.0/8'],
    signatureHeaders: 'standard',
    userAgent: 'Posthorn/test',
    clock,
    onResults: (results) => ended(results[0]?.exchange ?? null),
  });
  cleanUps.push(
    () => receiver.close(),
    () => sender.close(),
  );
  const target = { applicationKey: 1, href: receiver.url, headers: {}, secrets: [SECRET] };
  const post = () =>
    new Promise<Exchange | null>((resolve) => {
      ended = resolve;
      sender.send([
        { ref: 1, target, messageId: 'msg_1', payload: '{}', timeoutMs: 5_000, test: false, queue: null },
      ]);
    });
  const wall = () => systemClock.now();
  for (const aheadMs of [0, HOUR_MS, -HOUR_MS]) {
    if (aheadMs !== 0) clock.set(wall() + aheadMs - systemClock.monotonic());
    sender.holdUntil({ monotonic: systemClock.monotonic() + 20_000, wall: wall() + 20_000 });
    const began = wall();
    const exchange = await post();
    expect(exchange?.status).toBe(200);
    const startedAt = (exchange?.startedAt as number) - aheadMs;
    expect(startedAt).toBeGreaterThanOrEqual(began - SLACK_MS);
    expect(startedAt).toBeLessThanOrEqual(wall() + SLACK_MS);
    const timestamp = Math.floor((exchange?.startedAt as number) / 1_000);
    expect(receiver.received.at(-1)?.headers['webhook-timestamp']).toBe(String(timestamp));
  }
  // An hour behind by the store's, over by the own.
  sender.holdUntil({ monotonic: systemClock.monotonic() + 20_000, wall: wall() - 1 });
  expect(await post()).toBeNull();
});
