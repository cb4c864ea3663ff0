import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../test/helpers/manual-clock.ts';
import { ApiError } from './errors.ts';
import { STORE_PROBE_MS, STORE_TROUBLE_MS } from './limits.ts';
import { StoreError } from './store/store.ts';
import { StoreTrouble } from './store-trouble.ts';

const AWAY = new StoreError('unavailable', 'PostgreSQL cannot be reached: connect ECONNREFUSED.', {
  cause: new Error('connect ECONNREFUSED'),
});

let clock: ManualClock;
let told: [object, string][];
let check: () => Promise<void>;
let checks: number;
let lasts: boolean;
let trouble: StoreTrouble;
beforeEach(() => {
  clock = new ManualClock();
  told = [];
  checks = 0;
  lasts = false;
  check = async () => {};
  trouble = new StoreTrouble({
    store: {
      check: () => {
        checks++;
        return check();
      },
    },
    lasts: () => lasts,
    clock,
    log,
  });
});

const log = {
  info: (fields: object, text: string) => void told.push([fields, text]),
  warn: (fields: object, text: string) => void told.push([fields, text]),
  error: (fields: object, text: string) => void told.push([fields, text]),
};
const texts = () => told.map(([, text]) => text);

describe('a store that fails', () => {
  it('is told once with its text, and once that it works again', async () => {
    const quiet = trouble.quiet(log);
    check = () => Promise.reject(AWAY);
    for (let second = 0; second < 30; second++) {
      quiet.warn({ err: AWAY, taskId: 1 }, 'one thing could not be done');
      quiet.warn({ err: new ApiError('unavailable', undefined, { cause: AWAY }) }, 'nor another');
      await clock.advance(1_000);
    }
    const err = { type: 'StoreError', message: AWAY.message };
    expect(told).toEqual([[{ err, taskId: 1 }, 'one thing could not be done']]);
    check = async () => {};
    await clock.advance(3 * STORE_TROUBLE_MS.quiet);
    expect(texts()).toEqual(['one thing could not be done', 'the store works again']);
    expect(told[1]?.[0]).toMatchObject({
      failed: {
        'one thing could not be done': { times: 29 },
        'nor another': { times: 30, error: AWAY.message },
      },
    });
    expect(clock.nextTimerAt).toBeNull();
  });

  it('is told of once a minute for as long as something fails, although it answers', async () => {
    const quiet = trouble.quiet(log);
    const mistake = new StoreError('unavailable', 'PostgreSQL refuses what it should not (42703).');
    for (let second = 0; second < 190; second++) {
      quiet.warn({ err: mistake }, 'one thing could not be done');
      await clock.advance(1_000);
    }
    expect(texts()).toEqual(['one thing could not be done', ...Array(3).fill('the store still fails')]);
    expect(told[3]?.[0]).toMatchObject({
      failed: { 'one thing could not be done': { error: mistake.message } },
    });
  });

  it('does not work again while something waits to be tried once more, however long', async () => {
    const quiet = trouble.quiet(log);
    lasts = true;
    // As when a table is locked: a check works, and what fails takes its time.
    for (let times = 0; times < 6; times++) {
      quiet.warn({ err: AWAY }, 'one thing could not be done');
      await clock.advance(3 * STORE_TROUBLE_MS.quiet);
    }
    expect(texts()).toEqual(['one thing could not be done', 'the store still fails']);
    lasts = false;
    await clock.advance(STORE_TROUBLE_MS.quiet);
    expect(texts().at(-1)).toBe('the store works again');
  });

  it('is one thing: whatever else is said is said', () => {
    const quiet = trouble.quiet(log);
    const broken = new StoreError('broken', 'It is over.');
    for (const err of [AWAY, broken, new TypeError('mine'), new ApiError('conflict')])
      quiet.warn({ err }, 'a');
    quiet.warn({ err: AWAY }, 'not said');
    quiet.warn({}, 'b');
    quiet.error({ err: AWAY }, 'c');
    quiet.info({}, 'd');
    expect(texts().join('')).toBe('aaaabcd');
    expect(told[1]).toEqual([{ err: broken }, 'a']);
  });
});

describe('a check', () => {
  it('is one for all that ask at once, and is given up after a while', async () => {
    let answer = () => {};
    check = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const asked = [trouble.check(), trouble.check()].map((each) =>
      each.catch((error: Error) => error.message),
    );
    await clock.advance(STORE_PROBE_MS);
    expect(await Promise.all(asked)).toEqual(Array(2).fill('The store does not answer within 3 s.'));
    const third = trouble.check();
    expect(checks).toBe(1);
    answer();
    expect(await third).toBeUndefined();
  });
});
