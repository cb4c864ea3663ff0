import { TASKS_KEPT } from '../../limits.ts';
import type { NewTask, Task } from '../../model/task.ts';
import { type TaskRow, task } from '../rows/task-row.ts';
import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { inOrder } from './pages.ts';
import { taskRestarts } from './task-restarts.ts';
import { taskSteps } from './task-steps.ts';

type InsertParams = Parameters<Store['taskInsert']>[0];
type StepParams = Parameters<Store['taskStep']>[0];
type Stepped = Awaited<ReturnType<Store['taskStep']>>;
type ListParams = Parameters<Store['taskList']>[0];

export function tasks(connection: Connection) {
  const { count, find, running, listsOfState, listsOfAny, advance, cancel, purge } = prepare(connection);
  const begin = beginTask(connection);
  const restart = taskRestarts(connection);
  const steps = taskSteps(connection);
  const found = (id: string): Task | null => one(find.get(id));

  return {
    taskInsert: ({
      limit,
      applicationLimit,
      ...params
    }: InsertParams): Task | 'limit' | 'application_limit' =>
      transaction(connection, () => {
        const again = params.filter.heldFor === undefined ? null : restart(params);
        if (again !== null) return found(again) as Task;
        const { ofSource, ofApplication } = count.get(params) as Record<string, number>;
        if (Number(ofSource) >= limit) return 'limit';
        if (Number(ofApplication) >= applicationLimit) return 'application_limit';
        return begin(params);
      }),
    taskFind: ({ id }: { id: string }): Task | null => found(id),
    taskList({ applicationKey, kinds, states, ...page }: ListParams): Task[] {
      // One state, as people ask for it, has an index: what runs is found among very many that ended.
      const [state, ...others] = states ?? [];
      const lists = state !== undefined && others.length === 0 ? listsOfState : listsOfAny;
      const wanted = {
        kinds: kinds === undefined ? null : JSON.stringify(kinds),
        states: states === undefined ? null : JSON.stringify(states),
        state: state ?? null,
      };
      const rows =
        applicationKey === null
          ? lists.all({ ...page, ...wanted })
          : lists.one({ ...page, ...wanted, applicationKey });
      return rows.map(task);
    },
    taskListRunning: (): Task[] => (running.all() as TaskRow[]).map(task),
    taskStep: ({ id, ...params }: StepParams): Stepped =>
      transaction(connection, () => {
        const present = found(id);
        if (present === null || present.state !== 'running') return null;
        const waits = steps.waits(present);
        if (waits !== null) return { waits };
        const { stopped, ...moved } = steps.step(present, params);
        return { ...stopped, task: task(advance.get({ ...moved, id, now: params.now }) as TaskRow) };
      }),
    taskCancel: (params: { id: string; now: number }): Task | null => one(cancel.get(params)),
    taskPurge: (params: { before: number; limit: number }): number => purge.run(params).changes,
  };
}

/**
 * Begins a task in the transaction of whoever asks. Of those of the application that ended, the oldest go when there are more than
 * `kept` in all: a person can begin and end many in a second.
 */
export function beginTask(connection: Connection, kept = TASKS_KEPT): (params: NewTask) => Task {
  const insert = connection.prepare(
    `INSERT INTO task (id, kind, application_key, source_key, target_key, filter, from_id, to_id, position, rate, created_at,
       updated_at)
     VALUES (@id, @kind, @applicationKey, @sourceKey, @targetKey, @filter, @from, @to, @from, @rate, @now, @now) RETURNING *`,
  );
  const purge = connection.prepare(
    `DELETE FROM task WHERE application_key = @applicationKey AND state != 'running' AND id <=
       (SELECT id FROM task WHERE application_key = @applicationKey ORDER BY id DESC LIMIT 1 OFFSET @kept)`,
  );
  return (params) => {
    const begun = task(insert.get({ ...params, filter: JSON.stringify(params.filter) }) as TaskRow);
    purge.run({ applicationKey: params.applicationKey, kept });
    return begun;
  };
}

function prepare(connection: Connection) {
  // The index is named: without statistics SQLite takes the one that knows nothing of states.
  const list = (from: string, condition: string) =>
    inOrder<TaskRow>(
      connection,
      (order) =>
        `SELECT * FROM ${from} WHERE ${condition} AND id > coalesce(@after, '') AND id < coalesce(@before, '~')
         AND (@kinds IS NULL OR kind IN (SELECT value FROM json_each(@kinds))) ORDER BY id ${order} LIMIT @limit`,
    );
  const anyState = '(@states IS NULL OR state IN (SELECT value FROM json_each(@states)))';
  return {
    count: connection.prepare(
      `SELECT count(*) AS ofApplication, count(*) FILTER (WHERE source_key = @sourceKey) AS ofSource
       FROM task WHERE state = 'running' AND application_key = @applicationKey`,
    ),
    find: connection.prepare('SELECT * FROM task WHERE id = ?'),
    running: connection.prepare(
      "SELECT * FROM task INDEXED BY task_running WHERE state = 'running' ORDER BY created_at, id",
    ),
    listsOfState: {
      one: list(
        'task INDEXED BY task_application_state',
        'application_key = @applicationKey AND state = @state',
      ),
      all: list('task INDEXED BY task_state', 'state = @state'),
    },
    listsOfAny: {
      one: list('task', `application_key = @applicationKey AND ${anyState}`),
      all: list('task', anyState),
    },
    advance: connection.prepare(
      `UPDATE task SET position = @position, state = @state, scanned = scanned + @scanned, affected = affected + @affected,
         updated_at = @now WHERE id = @id RETURNING *`,
    ),
    cancel: connection.prepare(
      "UPDATE task SET state = 'cancelled', updated_at = @now WHERE id = @id AND state = 'running' RETURNING *",
    ),
    purge: connection.prepare(
      `DELETE FROM task WHERE id IN
         (SELECT id FROM task WHERE state != 'running' AND updated_at < @before ORDER BY updated_at LIMIT @limit)`,
    ),
  };
}

function one(row: unknown): Task | null {
  return row === undefined ? null : task(row as TaskRow);
}
