import { RETENTION_LOOK_AGAIN_MS } from '../../limits.ts';
import type { Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { messageKeyKeeping } from './message-keys.ts';

type TendParams = Parameters<Store['storeTend']>[0];
type Tended = Awaited<ReturnType<Store['storeTend']>>;
type OldMessage = [key: number, createdAt: number, payloadBytes: number | null];

/** Bytes of payload that cost as much as a row: an overflow page, which is read for where the next one is. */
const PAGE_BYTES = 4_096;
/** Deliveries that are looked at for the cost of one that is deleted. */
const LOOKS = 10;
/** Rows that a message has at the least, with one delivery and one attempt. */
const LEAST_ROWS = 3;

interface Pass {
  /** Up to this key all was looked at. */
  readonly to: number;
  readonly beganAt: number;
  /** So many were left, as something of them was open. */
  readonly left: number;
}

/**
 * Forgets messages that are too old, oldest first. A pass goes from the first message to the first that is young enough; the next
 * round goes on from there. What a pass left behind, because something of it was open, is looked at by another pass an hour later:
 * however much is held for good, no round goes through all of it again.
 */
export function retention(connection: Connection) {
  const forget = forgetting(connection);
  const walk = connection
    .prepare(
      `SELECT message_key, created_at, octet_length(payload) FROM message WHERE message_key > ?
       ORDER BY message_key LIMIT ?`,
    )
    .raw();
  const keepKey = messageKeyKeeping(connection);
  let pass: Pass = { to: 0, beganAt: 0, left: 0 };

  /** Looks at, and deletes, what costs about so many rows. */
  function step(keptSince: number, rows: number): Pass & { more: boolean } {
    let { to, left } = pass;
    let [room, last] = [rows, 0];
    const most = Math.ceil(rows / LEAST_ROWS);
    const found = walk.all(to, most) as OldMessage[];
    let more = found.length === most;
    for (const [key, createdAt, payloadBytes] of found) {
      more = createdAt < keptSince && (more || room <= 0);
      if (createdAt >= keptSince || room <= 0) break;
      const { outcome, cost } = forget(key, room);
      room -= cost + Math.floor((payloadBytes ?? 0) / PAGE_BYTES);
      more ||= outcome === 'begun';
      if (outcome === 'begun') break;
      to = key;
      if (outcome === 'open') left++;
      else last = key;
    }
    if (last > 0) keepKey(last);
    return { ...pass, to, left, more };
  }

  return {
    storeTend({ now, keepMs, rows }: TendParams): Tended {
      if (keepMs === null) return { more: false };
      const again = pass.left > 0 && Math.abs(now - pass.beganAt) >= RETENTION_LOOK_AGAIN_MS;
      if (pass.to === 0 || again) pass = { to: 0, beganAt: now, left: 0 };
      const { more, ...reached } = transaction(connection, () => step(now - keepMs, rows));
      pass = reached;
      return { more };
    },
  };
}

type Forgotten = { outcome: 'open' | 'begun' | 'gone'; cost: number };

/**
 * Forgets one message, at most so many rows of it: `begun` when there are more. From then on it has no payload, so that nothing of it
 * can be opened again; the message itself goes last. `open`: it stays as it is.
 */
function forgetting(connection: Connection): (messageKey: number, most: number) => Forgotten {
  // What stands in a line: others wait behind it, also when it failed.
  const openOf = connection.prepare(
    `SELECT count(*) AS deliveries,
       count(*) FILTER (WHERE state IN (0, 1, 4) OR (state = 3 AND order_key IS NOT NULL)) AS open
     FROM delivery WHERE message_key = ?`,
  );
  const isResent = connection.prepare('SELECT 1 FROM resend WHERE message_key = ? LIMIT 1');
  const attempts = connection.prepare(
    'DELETE FROM attempt WHERE attempt_key IN (SELECT attempt_key FROM attempt WHERE message_key = ? LIMIT ?)',
  );
  const deliveries = connection.prepare(
    `DELETE FROM delivery WHERE message_key = @messageKey AND endpoint_key IN (
       SELECT endpoint_key FROM delivery WHERE message_key = @messageKey ORDER BY endpoint_key LIMIT @most)`,
  );
  const expunge = connection.prepare(
    'UPDATE message SET payload = NULL, payload_until = NULL WHERE message_key = ? AND payload IS NOT NULL',
  );
  const message = connection.prepare('DELETE FROM message WHERE message_key = ?');

  return (messageKey, most) => {
    const of = openOf.get(messageKey) as { deliveries: number; open: number };
    const looked = Math.ceil(of.deliveries / LOOKS);
    if (of.open > 0 || isResent.get(messageKey) !== undefined) return { outcome: 'open', cost: looked };
    let rows = attempts.run(messageKey, most).changes;
    if (rows < most) rows += deliveries.run({ messageKey, most: most - rows }).changes;
    if (rows >= most) {
      expunge.run(messageKey);
      return { outcome: 'begun', cost: looked + rows };
    }
    message.run(messageKey);
    return { outcome: 'gone', cost: looked + rows + 1 };
  };
}
