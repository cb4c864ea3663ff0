import { describe, expect, it } from 'vitest';
import type { Hit } from '../../bench/hooks.ts';
import { repeatsIn } from '../../bench/repeats.ts';

const KILLED = { name: 'killed', at: 10_000 };
const FROZEN = { name: 'frozen', at: 30_000 };
const CAUSES = [KILLED, FROZEN];

function hit(arrivedAt: number, change: Partial<Hit> = {}): Hit {
  const answer = { outcome: 'accepted', endedAt: arrivedAt + 50, verified: true } as const;
  return { hook: 'slow', messageId: 'msg_1', number: 1, arrivedAt, ...answer, ...change };
}

const causes = (...hits: Hit[]) => repeatsIn(hits, CAUSES).map(({ cause }) => cause);

describe('what came twice', () => {
  it('is only what had been taken before, by the same hook', () => {
    expect(causes(hit(1), hit(2, { hook: 'prompt' }), hit(3, { messageId: 'msg_2' }))).toEqual([]);
    expect(causes(hit(1, { outcome: 'refused' }), hit(2, { outcome: 'cut' }), hit(3))).toEqual([]);
    expect(causes(hit(1), hit(2))).toEqual([null]);
  });

  it('is explained by what ended the node that sent it before its outcome can have been recorded', () => {
    expect(causes(hit(9_980), hit(14_000))).toEqual([KILLED]);
    expect(causes(hit(9_500), hit(14_000))).toEqual([KILLED]);
    expect(causes(hit(9_980, { endedAt: 31_500 }), hit(45_000))).toEqual([FROZEN]);
    // Each time that it comes again.
    expect(causes(hit(9_980), hit(14_000, { outcome: 'refused' }), hit(15_000))).toEqual([KILLED, KILLED]);
  });

  it('is not explained where it was on record, was sent afterwards, or came again before', () => {
    expect(causes(hit(8_000), hit(14_000))).toEqual([null]);
    expect(causes(hit(11_000), hit(14_000))).toEqual([null]);
    expect(causes(hit(9_900), hit(9_990))).toEqual([null]);
    expect(causes(hit(9_980), hit(14_000), hit(20_000))).toEqual([KILLED, null]);
  });
});
