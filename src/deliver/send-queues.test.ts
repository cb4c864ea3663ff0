import { expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { AHEAD_WAIT_MS } from '../limits.ts';
import type { SendJob, SendQueue } from '../model/exchange.ts';
import { SendQueues } from './send-queues.ts';

const target = { applicationKey: 1, href: 'https://example.com/', headers: {}, secrets: [] };
const one: SendQueue = { endpointKey: 1, atOnce: 2 };
const other: SendQueue = { endpointKey: 2, atOnce: 2 };

function queues() {
  const clock = new ManualClock();
  const begun: number[] = [];
  const back: number[] = [];
  const sends = new SendQueues({
    clock,
    begin: ({ ref }) => void begun.push(ref),
    giveBack: (jobs) => void back.push(...jobs.map(({ ref }) => ref)),
  });
  const add = (queue: SendQueue, ...refs: number[]) => {
    for (const ref of refs) {
      const job: SendJob = {
        ref,
        target,
        messageId: 'msg_1',
        payload: '{}',
        timeoutMs: 1_000,
        test: false,
        queue,
      };
      sends.add(job, queue);
    }
  };
  return { clock, begun, back, sends, add };
}

it('begins what waits when a request to the same endpoint has ended, and never more at once than it may', () => {
  const { begun, sends, add } = queues();
  add(one, 1, 2, 3, 4);
  add(other, 5);
  expect(begun).toEqual([1, 2, 5]);
  sends.ended(other, true);
  expect(begun).toEqual([1, 2, 5]);
  sends.ended(one, true);
  expect(begun).toEqual([1, 2, 5, 3]);
});

it('gives back what waits for an endpoint when a request to it failed', () => {
  const { begun, back, sends, add } = queues();
  add(one, 1, 2, 3, 4);
  sends.ended(one, false);
  expect(back).toEqual([3, 4]);
  add(one, 5);
  expect(begun).toEqual([1, 2, 5]);
});

it('gives back what could not be begun in time, and goes on with the rest', async () => {
  const { clock, begun, back, sends, add } = queues();
  add(one, 1, 2, 3);
  await clock.advance(AHEAD_WAIT_MS - 1);
  add(one, 4);
  await clock.advance(1);
  expect(back).toEqual([3]);
  sends.ended(one, true);
  expect(begun).toEqual([1, 2, 4]);
});

it('gives everything back at the end', () => {
  const { back, sends, add } = queues();
  add(one, 1, 2, 3);
  add(other, 4, 5, 6);
  sends.close();
  expect(back).toEqual([3, 6]);
});
