import type { HeldReason } from '../../model/delivery.ts';
import { type Endpoint, heldReason } from '../../model/endpoint.ts';
import type { Task, TaskState } from '../../model/task.ts';
import { type EndpointRow, endpoint } from '../rows/endpoint-row.ts';
import type { Stopped } from '../store.ts';
import type { Walked } from '../task-walk.ts';
import { cancelling } from './cancellations.ts';
import type { Connection } from './connection.ts';
import { effects } from './effects.ts';
import { reopening } from './reopening.ts';
import { taskWalks } from './task-walks.ts';

interface StepParams {
  now: number;
  /** Messages to look at, and deliveries to let go, at most. */
  scan: number;
  most: number;
}

/** How far a step came. */
interface Step {
  stopped: Stopped;
  scanned: number;
  affected: number;
  position: string;
  state: TaskState;
}

const HELD = [4];

/** One step of a task, within a transaction: walks on, then sends again (or cancels) what it found. */
export function taskSteps(connection: Connection) {
  const walk = taskWalks(connection);
  const cancel = cancelling(connection);
  const reopen = reopening(connection);
  const begin = effects(connection);
  const byKey = connection.prepare('SELECT * FROM endpoint WHERE endpoint_key = ? AND deleted_at IS NULL');
  const live = (endpointKey: number): Endpoint | null => {
    const row = byKey.get(endpointKey);
    return row === undefined ? null : endpoint(row as EndpointRow);
  };

  return {
    /** Why it does nothing now; null: it goes on. */
    waits({ kind, targetKey }: Task): HeldReason | null {
      const target = kind === 'discard' ? null : live(targetKey);
      return target === null ? null : heldReason(target);
    },
    step(task: Task, { now, scan, most }: StepParams): Step {
      const target = live(task.targetKey);
      const outcome = begin();
      if (target === null || live(task.sourceKey) === null) {
        const { position } = task;
        return { stopped: outcome.end(now), scanned: 0, affected: 0, position, state: 'failed' };
      }
      const { walked, next } = walk(task, target, { scan, most });
      let affected = 0;
      for (const { messageKey } of walked.filter(({ wanted }: Walked) => wanted)) {
        const done =
          task.kind === 'discard'
            ? cancel(messageKey, target.key, { reason: 'discarded', states: HELD, outcome }) !== null
            : reopen(messageKey, target, {
                dueAt: now + Math.floor((affected * 1000) / task.rate),
                now,
                outcome,
              });
        if (done) affected++;
      }
      const state = next === null ? 'finished' : 'running';
      return {
        stopped: outcome.end(now),
        scanned: walked.length,
        affected,
        position: next ?? task.to,
        state,
      };
    },
  };
}
