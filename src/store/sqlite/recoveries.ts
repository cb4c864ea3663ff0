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

type InsertParams = NewRecovery & { limit: number; applicationLimit: number };
type StepParams = { id: string; now: number; scan: number };
type WalkedRow = [id: string, messageKey: number, wanted: 0 | 1];

export function recoveries(connection: Connection) {
  const { insert, countOpen, open, listOpen, endpoint, walk, reopen, advance, purge } = prepare(connection);

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
    recoveryInsert: ({ limit, applicationLimit, ...params }: InsertParams) =>
      transaction(connection, (): Recovery | 'limit' | 'application_limit' => {
        const { ofEndpoint, ofApplication } = countOpen.get(params) as Record<string, number>;
        if (Number(ofEndpoint) >= limit) return 'limit';
        if (Number(ofApplication) >= applicationLimit) return 'application_limit';
        return recovery(insert.get(params) as Row);
      }),
    recoveryList: (): Recovery[] => (listOpen.all() as Row[]).map(recovery),
    recoveryStep: (params: StepParams): Recovery | 'waits' | null =>
      transaction(connection, () => {
        const row = open.get(params.id) as Row | undefined;
        if (row === undefined) return null;
        const live = endpoint.get(row.endpoint_key) as { disabled: 0 | 1 } | undefined;
        if (live?.disabled === 1) return 'waits';
        const { recovered, next } = live === undefined ? { recovered: 0, next: null } : step(row, params);
        const moved = { from: next ?? row.to_id, finished: next === null ? 1 : 0, recovered };
        return recovery(advance.get({ ...moved, id: row.id, now: params.now }) as Row);
      }),
    recoveryPurge: (params: { before: number; limit: number }): number => purge.run(params).changes,
  };
}

function prepare(connection: Connection) {
  return {
    insert: connection.prepare(
      `INSERT INTO recovery (id, application_key, endpoint_key, from_id, to_id, created_at, updated_at)
       VALUES (@id, @applicationKey, @endpointKey, @from, @to, @now, @now) RETURNING *`,
    ),
    countOpen: connection.prepare(
      `SELECT count(*) AS ofApplication, count(*) FILTER (WHERE endpoint_key = @endpointKey) AS ofEndpoint
       FROM recovery WHERE finished = 0 AND application_key = @applicationKey`,
    ),
    open: connection.prepare('SELECT * FROM recovery WHERE id = ? AND finished = 0'),
    listOpen: connection.prepare('SELECT * FROM recovery WHERE finished = 0 ORDER BY created_at, id'),
    endpoint: connection.prepare(
      'SELECT disabled FROM endpoint WHERE endpoint_key = ? AND deleted_at IS NULL',
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
    purge: connection.prepare(
      `DELETE FROM recovery WHERE id IN
         (SELECT id FROM recovery WHERE finished = 1 AND updated_at < @before ORDER BY updated_at LIMIT @limit)`,
    ),
  };
}

function recovery(row: Row): Recovery {
  return {
    id: row.id,
    applicationKey: row.application_key,
    endpointKey: row.endpoint_key,
    recovered: row.recovered,
    finished: row.finished === 1,
    updatedAt: row.updated_at,
  };
}
