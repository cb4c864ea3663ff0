import type { HeldReason } from '../../model/delivery.ts';
import { type Endpoint, heldReason } from '../../model/endpoint.ts';
import type { Task, TaskState } from '../../model/task.ts';
import { stateCode } from '../rows/delivery-states.ts';
import { type EndpointRow, endpoint } from '../rows/endpoint-row.ts';
import { taskStates } from '../task-walk.ts';
import { bigints } from './arrays.ts';
import { cancelDeliveries } from './cancellations.ts';
import { type Executor, statement } from './connection.ts';
import type { Effects } from './effects.ts';
import { ENDPOINT_COLUMNS } from './endpoint-columns.ts';
import { reopenDeliveries } from './reopening.ts';
import { walkTask } from './task-walks.ts';

interface StepParams {
  now: number;
  /** Messages to look at, and deliveries to let go, at most. */
  scan: number;
  most: number;
}

/** How far a step came. */
export interface Step {
  readonly scanned: number;
  readonly affected: number;
  readonly position: string;
  readonly state: TaskState;
}

/** What a task is about; null: it was deleted. Locked, so that neither changes while it is about it. */
export interface TaskEndpoints {
  readonly source: Endpoint | null;
  readonly target: Endpoint | null;
}

const HELD = [4];
/** Whatever is not open. */
const ENDED = [2, 3, 4, 5];

const LOCK = statement(
  `SELECT ${ENDPOINT_COLUMNS} FROM posthorn.endpoint e WHERE e.endpoint_key = ANY($1::bigint[]) AND e.deleted_at IS NULL
   ORDER BY e.endpoint_key FOR SHARE`,
);

export async function lockTaskEndpoints(
  tx: Executor,
  { sourceKey, targetKey }: Pick<Task, 'sourceKey' | 'targetKey'>,
): Promise<TaskEndpoints> {
  const rows = await tx.rows<EndpointRow>(LOCK, [bigints([sourceKey, targetKey])]);
  const live = (endpointKey: number): Endpoint | null => {
    const row = rows.find(({ endpoint_key }) => endpoint_key === endpointKey);
    return row === undefined ? null : endpoint(row);
  };
  return { source: live(sourceKey), target: live(targetKey) };
}

/** Why it does nothing now; null: it goes on. */
export function taskWaits({ kind }: Task, { target }: TaskEndpoints): HeldReason | null {
  return kind === 'discard' || target === null ? null : heldReason(target);
}

/** One step of a task, within a transaction: walks on, then sends again (or cancels) what it found. */
export async function stepTask(
  tx: Executor,
  task: Task,
  { source, target }: TaskEndpoints,
  { now, scan, most, outcome }: StepParams & { outcome: Effects },
): Promise<Step> {
  if (target === null || source === null) {
    return { scanned: 0, affected: 0, position: task.position, state: 'failed' };
  }
  const { walked, next } = await walkTask(tx, task, target, { scan, most });
  const messageKeys = walked.filter(({ wanted }) => wanted).map(({ messageKey }) => messageKey);
  const affected =
    task.kind === 'discard'
      ? await discard(tx, target.key, messageKeys, outcome)
      : await reopenDeliveries(tx, target, messageKeys, {
          ...{ now, rate: task.rate, outcome },
          among: source.key === target.key ? taskStates(task).map(stateCode) : ENDED,
        });
  const state = next === null ? 'finished' : 'running';
  return { scanned: walked.length, affected, position: next ?? task.to, state };
}

async function discard(
  tx: Executor,
  endpointKey: number,
  messageKeys: readonly number[],
  outcome: Effects,
): Promise<number> {
  const places = messageKeys.map((messageKey) => ({ messageKey, endpointKey }));
  const how = { reason: 'discarded', states: HELD, outcome } as const;
  return (await cancelDeliveries(tx, places, how)).length;
}
