import { TASK_RATE } from '../limits.ts';
import type { DisabledReason, Endpoint } from '../model/endpoint.ts';
import { firstIdAt } from '../model/id.ts';
import type { NewTask } from '../model/task.ts';

/** Whether an endpoint takes anything, since when, and who decided so. */
type Standing = Pick<Endpoint, 'disabled' | 'disabledReason' | 'disabledAt' | 'pausedAt'>;

const ENABLED: Standing = { disabled: false, disabledReason: null, disabledAt: null, pausedAt: null };

/** An endpoint's standing after what a person said of it; what is left out stays, and so does what it was already. */
export function standingAfter(
  asked: { disabled?: boolean | undefined; paused?: boolean | undefined },
  { before = ENABLED, now }: { before?: Standing; now: number },
): Standing {
  const { disabled = before.disabled, paused = before.pausedAt !== null } = asked;
  return {
    ...(disabled === before.disabled ? disabledAsIn(before) : disabledBy(disabled ? 'manual' : null, now)),
    pausedAt: paused ? (before.pausedAt ?? now) : null,
  };
}

export function disabledBy(
  reason: DisabledReason | null,
  now: number,
): Pick<Standing, 'disabled' | 'disabledReason' | 'disabledAt'> {
  const disabled = reason !== null;
  return { disabled, disabledReason: reason, disabledAt: disabled ? now : null };
}

function disabledAsIn({ disabled, disabledReason, disabledAt }: Standing) {
  return { disabled, disabledReason, disabledAt };
}

/** What lets go what a pause held, when it ends by this change; undefined: it does not, or the endpoint takes nothing all the same. */
export function releaseAfterPause(
  before: Endpoint,
  after: Pick<Standing, 'disabled' | 'pausedAt'>,
  { id, now }: { id: () => string; now: number },
): NewTask | undefined {
  if (before.pausedAt === null || after.pausedAt !== null || after.disabled) return undefined;
  return {
    id: id(),
    kind: 'release',
    applicationKey: before.applicationKey,
    sourceKey: before.key,
    targetKey: before.key,
    // What was held because it was disabled waits for somebody who decides.
    filter: { heldFor: 'endpoint_paused' },
    from: firstIdAt('msg', 0),
    // Without an end: what is accepted until the change is in memory is held as well, and may be so before the task begins.
    to: firstIdAt('msg', Number.MAX_SAFE_INTEGER),
    rate: TASK_RATE.usual,
    now,
  };
}
