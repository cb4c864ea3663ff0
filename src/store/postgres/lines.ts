import type { Line } from '../line.ts';
import { bigints, texts } from './arrays.ts';
import { type Executor, statement } from './connection.ts';

/**
 * Several processes change a line at once. Each takes its lock before it looks who is first, and keeps it until its commit: the
 * last one to look sees what all others did. New messages take it before they get their keys, so that a line's keys ascend in
 * the order of commits.
 */
const LOCK = statement('SELECT posthorn.lock_lines($1::bigint[], $2::text[])');

const TRY = statement(
  `SELECT position - 1 AS index FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS line (endpoint_key, order_key, position)
   WHERE posthorn.try_line(line.endpoint_key, line.order_key)`,
);

// LIMIT keeps the planner from going through all lines there are first.
const STANDING = statement(
  `SELECT position - 1 AS index FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS line (endpoint_key, order_key, position)
   JOIN posthorn.endpoint e ON e.endpoint_key = line.endpoint_key
   CROSS JOIN LATERAL (SELECT 1 FROM posthorn.delivery d WHERE d.application_key = e.application_key
     AND d.endpoint_key = line.endpoint_key AND d.order_key = line.order_key AND d.state IN (0, 1, 3, 4) LIMIT 1) AS first`,
);

/** Those that have a time, of which there is one in a line when nothing is to be changed: an index has them alone. */
const TURNS = `FROM posthorn.delivery d WHERE d.application_key = line.application_key AND d.endpoint_key = line.endpoint_key
  AND d.order_key = line.order_key AND d.state IN (0, 1) AND d.next_attempt_at IS NOT NULL`;

/** Bounds nothing: the planner takes a bound that it does not know for a small one, and so does not go through all rows for what is within. */
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

// OFFSET 0 has a line looked up by its key: else all lines may be gone through. That of a state is no column, for the same reason.
const ADVANCE = statement(
  `WITH line AS MATERIALIZED (
     SELECT e.application_key, line.endpoint_key, line.order_key
     FROM unnest($1::bigint[], $2::text[]) AS line (endpoint_key, order_key)
     JOIN posthorn.endpoint e ON e.endpoint_key = line.endpoint_key
   ), standing AS MATERIALIZED (
     SELECT line.*, f.message_key, f.state, f.next_attempt_at,
       EXISTS (SELECT 1 ${TURNS} AND d.state + 0 = 1 OFFSET 0) AS sending
     FROM line
     LEFT JOIN LATERAL (
       SELECT d.message_key, d.state, d.next_attempt_at FROM posthorn.delivery d
       WHERE d.application_key = line.application_key AND d.endpoint_key = line.endpoint_key
         AND d.order_key = line.order_key AND d.state IN (0, 1, 3, 4)
       ORDER BY d.message_key LIMIT 1) f ON true
   ), late AS MATERIALIZED (
     SELECT line.application_key, line.endpoint_key, turn.message_key FROM standing AS line
     CROSS JOIN LATERAL (SELECT d.message_key ${TURNS} AND d.state + 0 = 0
       AND (line.sending OR d.message_key IS DISTINCT FROM line.message_key) OFFSET 0) AS turn
     LIMIT $4
   ), set_back AS (
     UPDATE posthorn.delivery d SET next_attempt_at = NULL FROM late
     WHERE d.application_key = late.application_key AND d.message_key = late.message_key
       AND d.endpoint_key = late.endpoint_key AND d.state + 0 = 0
   ), set_due AS (
     UPDATE posthorn.delivery d SET next_attempt_at = greatest($3::bigint, coalesce((
         SELECT m.deliver_at FROM posthorn.message m
         WHERE m.application_key = d.application_key AND m.message_key = d.message_key), 0))
     FROM standing s
     WHERE NOT s.sending AND s.state = 0 AND s.next_attempt_at IS NULL
       AND d.application_key = s.application_key AND d.message_key = s.message_key AND d.endpoint_key = s.endpoint_key
     RETURNING d.endpoint_key, d.next_attempt_at
   )
   SELECT endpoint_key AS "endpointKey", min(next_attempt_at) AS "dueAt" FROM (
     SELECT endpoint_key, next_attempt_at FROM set_due
     UNION ALL SELECT endpoint_key, next_attempt_at FROM standing
       WHERE NOT sending AND state = 0 AND next_attempt_at IS NOT NULL) AS turn
   GROUP BY endpoint_key`,
);

/** Until the end of the transaction nobody else changes these lines. */
export async function lockLines(tx: Executor, lines: readonly Line[]): Promise<void> {
  if (lines.length > 0) await tx.rows(LOCK, values(lines));
}

/** For those who have rows of the lines locked already, and must not wait: of these lines, those that they got. */
export async function tryLines<Some extends Line>(tx: Executor, lines: readonly Some[]): Promise<Some[]> {
  if (lines.length === 0) return [];
  const rows = await tx.rows<{ index: number }>(TRY, values(lines));
  return rows.map(({ index }) => lines[index] as Some);
}

/** Of locked lines, the indexes of those that somebody stands in. */
export async function standingLines(tx: Executor, lines: readonly Line[]): Promise<Set<number>> {
  const rows = await tx.rows<{ index: number }>(STANDING, values(lines));
  return new Set(rows.map(({ index }) => index));
}

/**
 * After any change to lines: locks them, and gives each turn to whom it belongs. Returns when those are due who have it, by
 * endpoint.
 */
export async function advanceLines(
  tx: Executor,
  lines: readonly Line[],
  now: number,
): Promise<{ endpointKey: number; dueAt: number }[]> {
  if (lines.length === 0) return [];
  // Sent together: the second statement begins when the first has all locks.
  const [, due] = await Promise.all([
    lockLines(tx, lines),
    tx.rows<{ endpointKey: number; dueAt: number }>(ADVANCE, [...values(lines), now, UNBOUNDED]),
  ]);
  return due;
}

function values(lines: readonly Line[]): [Buffer, Buffer] {
  return [bigints(lines.map(({ endpointKey }) => endpointKey)), texts(lines.map(({ orderKey }) => orderKey))];
}
