import type { Hit } from './hooks.ts';

/** What ends a node that has requests under way, so that others send them again. Times are ms of the monotonic clock. */
export interface Cause {
  readonly name: string;
  /** The node records nothing from then on. */
  readonly at: number;
}

/** A hit at a hook that had taken the message before. */
export interface Repeat {
  readonly earlier: Hit;
  readonly again: Hit;
  /** Null: nothing explains it. */
  readonly cause: Cause | null;
}

/**
 * How long an outcome may wait to be recorded: the recorder's window is 10 ms, and the rest is room for a machine that runs other
 * things. What was taken longer before the node ended was on record, and must not come again.
 */
const RECORDED_WITHIN_MS = 1_000;
/** What the node had sent may be read here so much later: this process publishes, too. */
const READ_WITHIN_MS = 250;

/** All repeats, each with the cause that explains it: the latest, where several do. */
export function repeatsIn(hits: readonly Hit[], causes: readonly Cause[]): Repeat[] {
  const taken = new Map<string, Hit>();
  const found: Repeat[] = [];
  for (const hit of hits) {
    const pair = `${hit.messageId} ${hit.hook}`;
    const earlier = taken.get(pair);
    if (earlier !== undefined) {
      const cause = causes.findLast((each) => explains(each, earlier, hit)) ?? null;
      found.push({ earlier, again: hit, cause });
    }
    if (hit.outcome === 'accepted') taken.set(pair, hit);
  }
  return found;
}

/** The earlier one was sent before the node ended, and answered so late that this may not be on record; the other came afterwards. */
function explains({ at }: Cause, earlier: Hit, again: Hit): boolean {
  const answeredAt = earlier.endedAt ?? Number.POSITIVE_INFINITY;
  return (
    earlier.arrivedAt <= at + READ_WITHIN_MS && answeredAt >= at - RECORDED_WITHIN_MS && again.arrivedAt >= at
  );
}
