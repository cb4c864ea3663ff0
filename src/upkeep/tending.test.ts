import { expect, test } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { RETENTION_STEP } from '../limits.ts';
import { Tending } from './tending.ts';

const MINUTE_MS = 60_000;

/** Tending of a store whose steps take so long, and find more so often. */
function tended({ steps, msOf = () => 0 }: { steps: number; msOf?: (rows: number) => number }) {
  const clock = new ManualClock();
  const calls: { at: number; rows: number; now: number; keepMs: number | null }[] = [];
  let took = 0;
  const tending = new Tending({
    store: {
      async storeTend(params) {
        calls.push({ at: clock.monotonic(), ...params });
        took += msOf(params.rows);
        return { more: calls.length < steps };
      },
    },
    // Time also passes within a step.
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic() + took,
      timer: (ms, fire) => clock.timer(ms, fire),
      soon: (fire) => clock.soon(fire),
    },
    keepMs: 7,
    log: { warn: () => {} },
  });
  return { tending, clock, calls };
}

test('looks after the store every minute, until it is stopped', async () => {
  const { tending, clock, calls } = tended({ steps: 0 });
  tending.start();
  await clock.advance(3 * MINUTE_MS);
  expect(calls.map(({ at, keepMs }) => [at, keepMs])).toEqual([1, 2, 3].map((each) => [each * MINUTE_MS, 7]));
  tending.stop();
  await clock.advance(3 * MINUTE_MS);
  expect(calls).toHaveLength(3);
});

test('takes step after step while there is more, each of its time, and leaves the others more than that', async () => {
  const { tending, clock, calls } = tended({ steps: 40, msOf: (rows) => rows / 100 });
  tending.start();
  await clock.advance(2 * MINUTE_MS - 1);
  expect(calls).toHaveLength(40);
  expect(calls[0]?.rows).toBe(RETENTION_STEP.rows.first);
  expect(calls.at(-1)?.rows).toBe(RETENTION_STEP.ms * 100);
  const [before, last] = calls.slice(-2).map(({ at }) => at) as [number, number];
  expect(last - before).toBeCloseTo(RETENTION_STEP.pauses * RETENTION_STEP.ms);
});

test('never takes a step of more, or fewer, rows than its limits', async () => {
  const { least, most } = RETENTION_STEP.rows;
  for (const [msOf, reached] of [
    [() => 0, most],
    [() => 400, least],
  ] as const) {
    const { tending, clock, calls } = tended({ steps: 20, msOf });
    tending.start();
    await clock.advance(2 * MINUTE_MS - 1);
    expect(calls.at(-1)?.rows).toBe(reached);
  }
});

test('goes on in a minute after the store refused', async () => {
  let refusals = 2;
  let done = 0;
  const clock = new ManualClock();
  const warned: string[] = [];
  const storeTend = async () => {
    if (refusals-- > 0) throw new Error('Not now.');
    done++;
    return { more: false };
  };
  const log = { warn: (_: object, text: string) => void warned.push(text) };
  new Tending({ store: { storeTend }, clock, keepMs: null, log }).start();
  await clock.advance(3 * MINUTE_MS);
  expect([warned.length, done]).toEqual([2, 1]);
});
