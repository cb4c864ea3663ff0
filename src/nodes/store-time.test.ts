import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { SharedClock } from '../model/shared-clock.ts';
import { StoreTime } from './store-time.ts';

const BEAT_MS = 1_875;
const HOUR_MS = 3_600_000;

/** A process whose clock is so far ahead of the store's. */
function given(aheadMs: number) {
  const own = new ManualClock();
  const clock = new SharedClock(own);
  const logged: string[] = [];
  const log = {
    warn: (_: object, text: string) => void logged.push(text),
    info: (_: object, text: string) => void logged.push(text),
  };
  const time = new StoreTime(clock, log);
  const store = { zero: own.now() - aheadMs };
  /** What the store's clock shows. */
  const there = () => store.zero + own.monotonic();
  return {
    own,
    clock,
    store,
    logged,
    /** How far the process's time is from the store's. */
    off: () => Math.abs(clock.now() - there()),
    /** An answer: the store read its clock so long after it was asked, and the answer came so long after that. */
    async beat(thereMs = 1, backMs = 1) {
      const began = own.monotonic();
      await own.advance(thereMs);
      const now = Math.floor(there());
      await own.advance(backMs);
      time.learn({ now, began, ended: own.monotonic() });
      await own.advance(BEAT_MS);
    },
    learn: (now: number | null) => time.learn({ now, began: own.monotonic(), ended: own.monotonic() }),
  };
}

describe("the store's time", () => {
  it.each([HOUR_MS, -HOUR_MS, 3_000, -40])(
    'is learned from the first answer (%i ms ahead)',
    async (ahead) => {
      const { off, beat } = given(ahead);
      await beat();
      expect(off()).toBeLessThanOrEqual(2);
    },
  );

  it("is this process's own where the store has no other, whatever else is asked", () => {
    const { own, clock, learn, logged } = given(HOUR_MS);
    learn(null);
    expect(clock.now()).toBe(own.now());
    own.jumpWall(HOUR_MS);
    expect(clock.now()).toBe(own.now());
    expect(logged).toEqual([]);
  });

  it('is the own wall time where no answer contradicts it', async () => {
    const { own, clock, beat, logged } = given(0);
    for (const [there, back] of [
      [1, 1],
      [900, 5],
      [5, 900],
      [0, 0],
    ] as const) {
      await beat(there, back);
      expect(clock.now()).toBe(own.now());
    }
    expect(logged).toEqual([]);
  });

  it('is not moved by slow answers, of which the way there and back took differently long', async () => {
    const { off, beat, clock, own } = given(HOUR_MS);
    await beat(3, 1);
    const before = clock.now() - own.monotonic();
    for (let count = 0; count < 5; count++) await beat(800, 2);
    for (let count = 0; count < 20; count++) await beat(3, count % 3);
    expect(clock.now() - own.monotonic()).toBe(before);
    expect(off()).toBeLessThanOrEqual(3);
  });

  it('is mended by a quick answer after a slow one', async () => {
    const { off, beat } = given(HOUR_MS);
    await beat(2_000, 0);
    expect(off()).toBeGreaterThan(900);
    await beat();
    expect(off()).toBeLessThanOrEqual(2);
  });

  it('is followed when a clock is set, or goes at another pace', async () => {
    const { off, beat, own, store } = given(0);
    await beat();
    own.jumpWall(-HOUR_MS);
    expect(off()).toBeLessThanOrEqual(2);
    await beat();
    expect(off()).toBeLessThanOrEqual(2);
    // Another server took over, whose clock is another.
    store.zero += 20_000;
    await beat();
    expect(off()).toBeLessThanOrEqual(2);
    for (let count = 0; count < 100; count++) {
      store.zero += 1;
      await beat();
      expect(off()).toBeLessThanOrEqual(6);
    }
  });
});

describe('an own clock that is wrong', () => {
  it('is told of once, again when it is wrong otherwise, and when it is right again', async () => {
    const { beat, own, logged } = given(3_200);
    const beats = async () => {
      for (let count = 0; count < 10; count++) await beat();
    };
    await beats();
    expect(logged.splice(0)).toEqual([
      "this machine's clock is 3.2 s ahead of the database's; times go by the database's",
    ]);
    own.jumpWall(-500);
    await beats();
    expect(logged).toEqual([]);
    own.jumpWall(-4_800);
    await beats();
    expect(logged.splice(0)).toEqual([
      "this machine's clock is 2.1 s behind the database's; times go by the database's",
    ]);
    // Nearly right: neither worth telling nor the end of what was told.
    own.jumpWall(1_300);
    await beats();
    expect(logged.splice(0)).toEqual([]);
    own.jumpWall(799);
    await beats();
    expect(logged).toEqual(["this machine's clock agrees with the database's again"]);
  });

  it('is not told of within a second', async () => {
    const { beat, logged } = given(900);
    for (let count = 0; count < 10; count++) await beat(count % 2 === 0 ? 1 : 4_000);
    expect(logged).toEqual([]);
  });
});
