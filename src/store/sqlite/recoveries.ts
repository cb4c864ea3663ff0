import type { NewRecovery, Recovery } from '../store.ts';
import { type Connection, transaction } from './connection.ts';

interface Row {
  id: string;
  application_key: number;
  endpoint_key: number;
  from_id: string;
  to_id: string;
  recovered: number;
  finished: number;
  updated_at: number;
}

type StepParams = { id: string; now: number; scan: number };
type WalkedRow = [id: string, messageKey: number, wanted: 0 | 1];

export function recoveries(connection: Connection) {
  const { insert, countOpen, open, listOpen, takes, walk, reopen, advance } = prepare(connection);

  /** Brings back what is wanted of the next messages. Returns how many, and where the next step begins: null after the last one. */
  function step({ endpoint_key, application_key, from_id, to_id }: Row, { now, scan }: StepParams) {
    const values = { endpoint: endpoint_key, application: application_key, from: from_id, to: to_id };
    // One more than asked for, so that it is known where the next step begins, and that there is one.
    const walked = walk.all({ ...values, limit: scan + 1 }) as WalkedRow[];
    const next = walked.length > scan ? (walked.pop()?.[0] ?? null) : null;
    const wanted = walked.filter(([, , each]) => each === 1);
    for (const [, messageKey] of wanted) reopen.run({ now, messageKey, endpointKey: endpoint_key });
    return { recovered: wanted.length, next };
  }

  return {
    recoveryInsert: ({ limit, ...params }: NewRecovery & { limit: number }): Recovery | 'limit' =>
      transaction(connection, () => {
        if ((countOpen.get(params.endpointKey) as number) >= limit) return 'limit';
        return recovery(insert.get(params) as Row);
      }),
    recoveryList: (): Recovery[] => (listOpen.all() as Row[]).map(recovery),
    recoveryStep: (params: StepParams): Recovery | null =>
      transaction(connection, () => {
        const row = open.get(params.id) as Row | undefined;
        if (row === undefined) return null;
        const { recovered, next } =
          takes.get(row.endpoint_key) === undefined ? { recovered: 0, next: null } : step(row, params);
        const moved = { from: next ?? row.to_id, finished: next === null ? 1 : 0, recovered };
        return recovery(advance.get({ ...moved, id: row.id, now: params.now }) as Row);
      }),
  };
}

function prepare(connection: Connection) {
  return {
    insert: connection.prepare(
      `INSERT INTO recovery (id, application_key, endpoint_key, from_id, to_id, created_at, updated_at)
       VALUES (@id, @applicationKey, @endpointKey, @from, @to, @now, @now) RETURNING *`,
    ),
    // There are few that are not finished, over all endpoints.
    countOpen: connection
      .prepare('SELECT count(*) FROM recovery WHERE finished = 0 AND endpoint_key = ?')
      .pluck(),
    open: connection.prepare('SELECT * FROM recovery WHERE id = ? AND finished = 0'),
    listOpen: connection.prepare('SELECT * FROM recovery WHERE finished = 0 ORDER BY created_at, id'),
    takes: connection.prepare(
      'SELECT 1 FROM endpoint WHERE endpoint_key = ? AND deleted_at IS NULL AND disabled = 0',
    ),
    // The state comes first: the payload's presence is looked up only for what failed or is held.
    walk: connection
      .prepare(
        `SELECT m.id, m.message_key, iif(d.state IN (3, 4) AND typeof(m.payload) != 'null', 1, 0)
         FROM message m LEFT JOIN delivery d ON d.message_key = m.message_key AND d.endpoint_key = @endpoint
         WHERE m.application_key = @application AND m.id >= @from AND m.id < @to ORDER BY m.id LIMIT @limit`,
      )
      .raw(),
    reopen: connection.prepare(
      `UPDATE delivery SET state = 0, attempt_count = 0, fence = 0, reason = NULL,
         next_attempt_at = max(@now, coalesce((SELECT deliver_at FROM message WHERE message_key = @messageKey), 0))
       WHERE message_key = @messageKey AND endpoint_key = @endpointKey`,
    ),
    advance: connection.prepare(
      `UPDATE recovery SET from_id = @from, finished = @finished, recovered = recovered + @recovered, updated_at = @now
       WHERE id = @id RETURNING *`,
    ),
  };
}

function recovery(row: Row): Recovery {
  return {
    id: row.id,
    endpointKey: row.endpoint_key,
    recovered: row.recovered,
    finished: row.finished === 1,
    updatedAt: row.updated_at,
  };
}
