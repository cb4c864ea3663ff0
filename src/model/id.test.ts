import { describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { createIds, firstIdAt, isId, timeOfId } from './id.ts';

describe('ids', () => {
  it('have the prefix and 27 base62 digits', () => {
    const ids = createIds(new ManualClock(), seededRandom(1));
    expect(ids.next('msg')).toMatch(/^msg_[0-9A-Za-z]{27}$/);
    expect(isId(ids.next('atmpt'), 'atmpt')).toBe(true);
    expect(isId(ids.next('atmpt'), 'msg')).toBe(false);
  });

  it('ascend within a slot, over slots, and when the wall clock steps back', async () => {
    const clock = new ManualClock();
    const ids = createIds(clock, seededRandom(2));
    const made: string[] = [];
    for (let round = 0; round < 200; round++) {
      for (let n = 0; n < 50; n++) made.push(ids.next('msg'));
      if (round % 3 === 0) clock.jumpWall(round % 2 === 0 ? 3 : -10_000);
    }
    expect(new Set(made).size).toBe(made.length);
    expect([...made].sort()).toEqual(made);
  });

  it('tell when they were made, to 4 ms', () => {
    const clock = new ManualClock(Date.UTC(2026, 10, 23, 12, 0, 0, 123));
    const id = createIds(clock, seededRandom(3)).next('msg');
    const at = timeOfId(id, 'msg');
    expect(at).not.toBeNull();
    expect(Math.abs((at as number) - clock.now())).toBeLessThan(4);
  });

  it('have a bound below all ids made from a time on', () => {
    const clock = new ManualClock(Date.UTC(2026, 10, 23));
    const id = createIds(clock, seededRandom(4)).next('msg');
    expect(firstIdAt('msg', clock.now()) <= id).toBe(true);
    expect(firstIdAt('msg', clock.now() + 8) > id).toBe(true);
    for (const far of [Date.UTC(2150, 0), Date.UTC(2200, 0), Date.UTC(9999, 11, 31)]) {
      expect(firstIdAt('msg', far) > id).toBe(true);
      expect(timeOfId(firstIdAt('msg', far), 'msg')).not.toBeNull();
    }
    expect(firstIdAt('msg', Date.UTC(1970, 0)) < id).toBe(true);
  });

  it('are told from other text', () => {
    for (const text of ['', 'msg_', 'msg_short', `msg_${'!'.repeat(27)}`, `MSG_${'0'.repeat(27)}`]) {
      expect(timeOfId(text, 'msg')).toBeNull();
    }
    expect(timeOfId(`msg_${'z'.repeat(27)}`, 'msg')).toBeNull();
  });
});
