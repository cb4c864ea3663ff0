import type { NewTask } from '../../model/task.ts';
import type { Connection } from './connection.ts';

/**
 * In the transaction of whoever asks: lets the task that runs already and is the same begin from its start again, instead of
 * another. What was passed over meanwhile, it comes by again. Returns its id; null: there is none.
 */
export function taskRestarts(connection: Connection): (params: NewTask) => string | null {
  const restart = connection
    .prepare(
      `UPDATE task SET position = from_id, updated_at = @now WHERE id =
         (SELECT id FROM task WHERE state = 'running' AND application_key = @applicationKey AND source_key = @sourceKey
          AND target_key = @targetKey AND kind = @kind AND filter = @filter AND from_id = @from AND to_id = @to
          AND rate = @rate LIMIT 1) RETURNING id`,
    )
    .pluck();
  return (params) =>
    (restart.get({ ...params, filter: JSON.stringify(params.filter) }) ?? null) as string | null;
}
