import { describe, expect, it } from 'vitest';
import type { Hit } from '../../bench/hooks.ts';
import { type Evidence, pairKey, problemsOf, reconcile } from '../../bench/reconcile.ts';

// The crash loop is worth what its bookkeeping notices, so that is tried on made-up evidence with planted faults.
const hooks = ['one', 'two'];
/** Killed at 10,000 and up again at 10,200. */
const lives = [
  { spawnedAt: 0, killedAt: 10_000 },
  { spawnedAt: 10_200, killedAt: null },
];

function hit(messageId: string, hook: string, arrivedAt: number, change: Partial<Hit> = {}): Hit {
  const number = Number(messageId.slice(4));
  const answer = { outcome: 'accepted', endedAt: arrivedAt + 5, verified: true } as const;
  return { hook, messageId, number, arrivedAt, ...answer, ...change };
}

/** Two messages, each at both hooks, each on record; with the given hits besides. */
function evidence(change: { extra?: Hit[]; without?: (hit: Hit) => boolean; unrecorded?: Hit[] }): Evidence {
  const { extra = [], without = () => false, unrecorded = [] } = change;
  const usual = ['msg_1', 'msg_2'].flatMap((id) => hooks.map((hook) => hit(id, hook, 1_000)));
  const attempts = new Map<string, number>();
  for (const { messageId, hook } of [...usual, ...extra]) {
    const key = pairKey(messageId, hook);
    attempts.set(key, (attempts.get(key) ?? 0) + 1);
  }
  for (const { messageId, hook } of unrecorded) {
    const key = pairKey(messageId, hook);
    attempts.set(key, (attempts.get(key) ?? 0) - 1);
  }
  return {
    hooks,
    lives,
    acknowledged: new Map([
      ['msg_1', 1],
      ['msg_2', 2],
    ]),
    keyed: new Set([2]),
    hits: [...usual, ...extra].filter((each) => !without(each)),
    attempts,
  };
}

describe('the reconciliation after a crash loop', () => {
  it('finds nothing wrong where everything arrived once', () => {
    const report = reconcile(evidence({}));
    expect(problemsOf(report)).toEqual([]);
    expect(report).toMatchObject({ acknowledged: 2, hits: 4, attemptsOnRecord: 4, duplicates: 0 });
  });

  it('finds an acknowledged message that one hook never took', () => {
    const without = (each: Hit) => each.messageId === 'msg_1' && each.hook === 'two';
    expect(reconcile(evidence({ without })).lost).toBe(1);
    const refused = evidence({});
    (refused.hits[0] as Hit).outcome = 'refused';
    expect(reconcile(refused).lost).toBe(1);
  });

  it('finds a message that nobody acknowledged and only one hook got', () => {
    const report = reconcile(evidence({ extra: [hit('msg_3', 'one', 2_000)] }));
    expect(report).toMatchObject({ unacknowledged: 1, torn: 1 });
  });

  it('lets a kill explain what was answered just before it, and nothing else', () => {
    const earlier = hit('msg_3', 'one', 9_990);
    const again = hit('msg_3', 'one', 10_500);
    const excused = evidence({ extra: [earlier, again, hit('msg_3', 'two', 9_000)], unrecorded: [earlier] });
    expect(reconcile(excused)).toMatchObject({ duplicates: 1, explained: 1, unexplained: 0, unrecorded: 1 });
    expect(problemsOf(reconcile(excused))).toEqual([]);

    const longAfter = evidence({ extra: [hit('msg_1', 'one', 10_500)] });
    expect(reconcile(longAfter)).toMatchObject({ duplicates: 1, unexplained: 1 });
    const sameLife = evidence({ extra: [hit('msg_1', 'one', 9_995)] });
    expect(reconcile(sameLife)).toMatchObject({ duplicates: 1, unexplained: 1 });
  });

  it('finds an attempt that is missing from the record', () => {
    const missing = evidence({ unrecorded: [hit('msg_2', 'two', 1_000)] });
    expect(reconcile(missing)).toMatchObject({ unrecorded: 1, unrecordedUnexplained: 1 });
  });

  it('finds a publish that became two messages in spite of its key', () => {
    const twice = hooks.map((hook) => hit('msg_9', hook, 3_000, { number: 2 }));
    expect(reconcile(evidence({ extra: twice })).keyTwice).toBe(1);
  });

  it('finds wrong signatures and swapped bodies', () => {
    const report = reconcile(
      evidence({ extra: [hit('msg_1', 'one', 10_300, { verified: false, number: 2 })] }),
    );
    expect(report).toMatchObject({ unverified: 1, mixedUp: 1 });
  });
});
