import { TASKS_KEPT } from '../../limits.ts';
import type { NewTask, Task } from '../../model/task.ts';
import { type TaskRow, task } from '../rows/task-row.ts';
import type { Store } from '../store.ts';
import { storable, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { effects } from './effects.ts';
import { inOrder } from './pages.ts';
import { stoppedSignals } from './stopped-signals.ts';
import { restartTask } from './task-restarts.ts';
import { lockTaskEndpoints, stepTask, taskWaits } from './task-steps.ts';

type InsertParams = Parameters<Store['taskInsert']>[0];
type StepParams = Parameters<Store['taskStep']>[0];
type Stepped = Awaited<ReturnType<Store['taskStep']>>;
type ListParams = Parameters<Store['taskList']>[0];

const COLUMNS = `id, kind, application_key, source_key, target_key, filter, from_id, to_id, position, rate, scanned, affected, state,
  created_at, updated_at`;

/** So that of those who begin one at once each counts the others'. */
const LOCK_APPLICATION = statement(
  'SELECT 1 AS one FROM posthorn.application WHERE application_key = $1 FOR NO KEY UPDATE',
);
const COUNT = statement(
  `SELECT count(*) AS "ofApplication", count(*) FILTER (WHERE source_key = $2) AS "ofSource"
   FROM posthorn.task WHERE state = 'running' AND application_key = $1`,
);
const INSERT = statement(
  `INSERT INTO posthorn.task (id, kind, application_key, source_key, target_key, filter, from_id, to_id, position, rate, created_at,
     updated_at)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9, $10, $10) RETURNING ${COLUMNS}`,
);
const PURGE_OF = statement(
  `DELETE FROM posthorn.task WHERE application_key = $1 AND state != 'running' AND id <=
     (SELECT id FROM posthorn.task WHERE application_key = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`,
);
const FIND = statement(`SELECT ${COLUMNS} FROM posthorn.task WHERE id = $1`);
const LOCK = statement(`SELECT ${COLUMNS} FROM posthorn.task WHERE id = $1 FOR UPDATE`);
const RUNNING = statement(
  `SELECT ${COLUMNS} FROM posthorn.task WHERE state = 'running' ORDER BY created_at, id`,
);
const ADVANCE = statement(
  `UPDATE posthorn.task SET position = $2, state = $3, scanned = scanned + $4, affected = affected + $5, updated_at = $6
   WHERE id = $1 RETURNING ${COLUMNS}`,
);
const CANCEL = statement(
  `UPDATE posthorn.task SET state = 'cancelled', updated_at = $2 WHERE id = $1 RETURNING ${COLUMNS}`,
);
const PURGE = statement(
  `DELETE FROM posthorn.task WHERE id = ANY (ARRAY (
     SELECT id FROM posthorn.task WHERE state != 'running' AND updated_at < $1 ORDER BY updated_at LIMIT $2))`,
);
// One state, as people ask for it, has an index: what runs is found among very many that ended.
const OF_ONE = {
  inState: lists('application_key = $5 AND state = $6'),
  inAny: lists(`application_key = $5 AND ${anyOf('state', '$6')}`),
};
const OF_ALL = { inState: lists('state = $5'), inAny: lists(anyOf('state', '$5')) };

export function tasks(backend: Backend) {
  const { db, tell } = backend;
  const found = (row: TaskRow | null): Task | null => (row === null ? null : task(row));

  return {
    taskInsert: ({ limit, applicationLimit, ...params }: InsertParams) =>
      db.transaction(async (tx): Promise<Task | 'limit' | 'application_limit'> => {
        const { applicationKey, sourceKey, filter } = params;
        await tx.rows(LOCK_APPLICATION, [applicationKey]);
        const again = filter.heldFor === undefined ? null : await restartTask(tx, params);
        if (again !== null) return task((await tx.row<TaskRow>(FIND, [again])) as TaskRow);
        const count = await tx.row<{ ofApplication: number; ofSource: number }>(COUNT, [
          applicationKey,
          sourceKey,
        ]);
        if (count !== null && count.ofSource >= limit) return 'limit';
        if (count !== null && count.ofApplication >= applicationLimit) return 'application_limit';
        const begun = await insertTask(tx, params);
        await tell(tx, [{ kind: 'task' }]);
        return begun;
      }),
    taskFind: async ({ id }: { id: string }): Promise<Task | null> =>
      found(await db.row<TaskRow>(FIND, [storable(id)])),
    async taskList(params: ListParams): Promise<Task[]> {
      const { applicationKey, states, kinds, ...page } = params;
      const [state, ...others] = states ?? [];
      const isOne = state !== undefined && others.length === 0;
      const { inState, inAny } = applicationKey === null ? OF_ALL : OF_ONE;
      const rows = await (isOne ? inState : inAny)(
        db,
        page,
        kinds === undefined ? null : texts(kinds),
        ...(applicationKey === null ? [] : [applicationKey]),
        isOne ? state : states === undefined ? null : texts(states),
      );
      return rows.map(task);
    },
    taskListRunning: async (): Promise<Task[]> => (await db.rows<TaskRow>(RUNNING)).map(task),
    taskStep: (params: StepParams): Promise<Stepped> => db.transaction((tx) => step(tx, params, backend)),
    taskCancel: ({ id, now }: { id: string; now: number }): Promise<Task | null> =>
      db.transaction(async (tx) => {
        const present = await tx.row<TaskRow>(LOCK, [storable(id)]);
        if (present?.state !== 'running') return null;
        const [cancelled] = await Promise.all([
          tx.row<TaskRow>(CANCEL, [id, now]),
          tell(tx, [{ kind: 'task' }]),
        ]);
        return found(cancelled);
      }),
    taskPurge: ({ before, limit }: { before: number; limit: number }): Promise<number> =>
      db.changes(PURGE, [before, limit]),
  };
}

/** Of two who step a task at once, the second goes on from where the first came to. */
async function step(tx: Executor, { id, now, ...bounds }: StepParams, { tell }: Backend): Promise<Stepped> {
  const present = await tx.row<TaskRow>(FIND, [storable(id)]);
  if (present?.state !== 'running') return null;
  // The endpoints before the task, as who changes an endpoint begins tasks of it.
  const [endpoints, locked] = await Promise.all([
    lockTaskEndpoints(tx, task(present)),
    tx.row<TaskRow>(LOCK, [id]),
  ]);
  if (locked?.state !== 'running') return null;
  const running = task(locked);
  const waits = taskWaits(running, endpoints);
  if (waits !== null) return { waits };
  const outcome = effects(tx);
  const { position, state, scanned, affected } = await stepTask(tx, running, endpoints, {
    now,
    ...bounds,
    outcome,
  });
  const stopped = await outcome.end(now);
  const [advanced] = await Promise.all([
    tx.row<TaskRow>(ADVANCE, [id, position, state, scanned, affected, now]),
    tell(tx, stoppedSignals(stopped)),
  ]);
  return { ...stopped, task: task(advanced as TaskRow) };
}

/**
 * Begins a task in the transaction of whoever asks, who also tells the others (`{ kind: 'task' }`). Of those of the application
 * that ended, the oldest go when there are more than `kept` in all: a person can begin and end many in a second.
 */
export async function insertTask(tx: Executor, params: NewTask, kept = TASKS_KEPT): Promise<Task> {
  const { id, kind, applicationKey, sourceKey, targetKey, filter, from, to, rate, now } = params;
  const values = [id, kind, applicationKey, sourceKey, targetKey, storable(JSON.stringify(filter))];
  const [begun] = await Promise.all([
    tx.row<TaskRow>(INSERT, [...values, from, to, rate, now]),
    tx.changes(PURGE_OF, [applicationKey, kept]),
  ]);
  return task(begun as TaskRow);
}

function lists(condition: string) {
  return inOrder<TaskRow>(
    (order) =>
      `SELECT ${COLUMNS} FROM posthorn.task WHERE ${condition} AND id > coalesce($1, '') AND id < coalesce($2, '~')
       AND ${anyOf('kind', '$4')} ORDER BY id ${order} LIMIT $3`,
  );
}

function anyOf(column: string, values: string): string {
  return `(${values}::text[] IS NULL OR ${column} = ANY(${values}::text[]))`;
}
