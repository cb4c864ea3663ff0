import type { NewTask } from '../../model/task.ts';
import { storable } from './arrays.ts';
import { type Executor, statement } from './connection.ts';

// One that ends while its row is waited for is none any more.
const RESTART = statement(
  `UPDATE posthorn.task SET position = from_id, updated_at = $9 WHERE id = (
     SELECT id FROM posthorn.task WHERE state = 'running' AND application_key = $1 AND source_key = $2
       AND target_key = $3 AND kind = $4 AND filter = $5 AND from_id = $6 AND to_id = $7 AND rate = $8
     LIMIT 1 FOR UPDATE)
   RETURNING id`,
);

/**
 * In the transaction of whoever asks, who has the endpoint's row: lets the task that runs already and is the same begin from its
 * start again, instead of another. What was passed over meanwhile, it comes by again. Returns its id; null: there is none.
 */
export async function restartTask(tx: Executor, task: NewTask): Promise<string | null> {
  const { applicationKey, sourceKey, targetKey, kind, filter, from, to, rate, now } = task;
  const same = [applicationKey, sourceKey, targetKey, kind, storable(JSON.stringify(filter)), from, to, rate];
  const restarted = await tx.row<{ id: string }>(RESTART, [...same, now]);
  return restarted?.id ?? null;
}
