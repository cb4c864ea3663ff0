import type { Lease } from '../../model/lease.ts';
import type { MessageRef, Store } from '../store.ts';
import { type Connection, transaction } from './connection.ts';
import { type Effects, effects } from './effects.ts';

interface WalkedRow {
  application_key: number;
  key: number;
  created_at: number;
  gone: 0 | 1;
}

type ExpiredParams = Parameters<Store['messageListExpired']>[0];
type ExpungeParams = Parameters<Store['messageExpunge']>[0];
type Expunged = Awaited<ReturnType<Store['messageExpunge']>>;
type OpenOf = { looked: number; open: string };
type OpenRow = [endpointKey: number, state: number, fence: number, orderKey: string | null];

/** Messages without a payload that one call passes over, where many were expunged before their time. A few milliseconds. */
const WALK_ROWS = 20_000;

/**
 * Payloads whose time is over. Most have the usual time: those are found by walking messages in the order they were
 * accepted, from a mark in `meta`. Up to the mark every payload is gone, so that no message is passed over twice.
 */
export function payloads(connection: Connection) {
  const { markGet, markSet, walk, byUntil } = prepare(connection);
  const expunge = expunging(connection);
  const begin = effects(connection);
  const mark = () => (markGet.get() as number | undefined) ?? 0;
  const setMark = (from: number, to: number) => {
    if (to > from) markSet.run(to);
  };

  /** Moves the mark over what is gone behind it. */
  function moveMark(rows: number): void {
    const from = mark();
    let to = from;
    for (const { key, gone } of walk.iterate(from, rows) as Iterable<WalkedRow>) {
      if (gone === 0) break;
      to = key;
    }
    setMark(from, to);
  }

  return {
    messageExpunge: ({ messages, now, scan = Number.POSITIVE_INFINITY }: ExpungeParams): Expunged =>
      transaction(connection, () => {
        const outcome = begin();
        let expunged = 0;
        let looked = 0;
        for (const { messageKey } of messages) {
          looked += expunge(messageKey, outcome);
          expunged++;
          if (looked >= scan) break;
        }
        moveMark(2 * messages.length);
        return { ...outcome.end(now), expunged };
      }),
    messageListExpired: ({ now, keptSince, limit }: ExpiredParams): MessageRef[] =>
      transaction(connection, () => {
        const expired = new Map<number, number>();
        for (const [key, of] of byUntil.all(now, limit) as [number, number][]) expired.set(key, of);
        const from = mark();
        let to = from;
        let allGone = true;
        if (expired.size < limit) {
          for (const row of walk.iterate(from, WALK_ROWS) as Iterable<WalkedRow>) {
            if (row.created_at >= keptSince) break;
            allGone &&= row.gone === 1;
            if (allGone) to = row.key;
            else if (row.gone === 0 && expired.set(row.key, row.application_key).size === limit) break;
          }
        }
        setMark(from, to);
        return Array.from(expired, ([messageKey, applicationKey]) => ({ applicationKey, messageKey }));
      }),
  };
}

/**
 * Expunges one message whole, however many deliveries it has: nothing of it may be claimed afterwards. They are looked
 * through once, and those that are done, usually all, are not touched. Returns how many it looked at.
 */
function expunging(connection: Connection) {
  const forget = connection.prepare(
    'UPDATE message SET payload = NULL, payload_until = NULL WHERE message_key = ?',
  );
  const openOf = connection.prepare(
    `SELECT count(*) AS looked, json_group_array(json_array(endpoint_key, state, fence, order_key)) FILTER (WHERE state IN (0, 1, 4)) AS open
     FROM delivery WHERE message_key = ?`,
  );
  const cancel = connection.prepare(
    `UPDATE delivery SET state = 5, next_attempt_at = NULL, fence = 0, reason = 'payload_expunged'
     WHERE message_key = ? AND endpoint_key = ?`,
  );
  const dropResends = connection.prepare(
    `DELETE FROM resend WHERE message_key = ?
     RETURNING message_key AS messageKey, endpoint_key AS endpointKey, fence, resend_key AS resendKey`,
  );

  return (messageKey: number, outcome: Effects): number => {
    const { looked, open } = openOf.get(messageKey) as OpenOf;
    for (const [endpointKey, state, fence, orderKey] of JSON.parse(open) as OpenRow[]) {
      cancel.run(messageKey, endpointKey);
      outcome.changed(endpointKey, orderKey);
      if (state === 1) outcome.dropped({ messageKey, endpointKey, fence, resendKey: null });
    }
    forget.run(messageKey);
    for (const resend of dropResends.all(messageKey) as Lease[])
      if (resend.fence > 0) outcome.dropped(resend);
    return looked;
  };
}

function prepare(connection: Connection) {
  return {
    markGet: connection.prepare("SELECT value FROM meta WHERE name = 'expunged_to'").pluck(),
    markSet: connection.prepare(
      "INSERT INTO meta (name, value) VALUES ('expunged_to', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ),
    // typeof: it looks at a value's header, and reads no payload.
    walk: connection.prepare(
      `SELECT application_key, message_key AS key, created_at, typeof(payload) = 'null' AS gone FROM message WHERE message_key > ?
       ORDER BY message_key LIMIT ?`,
    ),
    byUntil: connection
      .prepare(
        'SELECT message_key, application_key FROM message WHERE payload_until <= ? ORDER BY payload_until LIMIT ?',
      )
      .raw(),
  };
}
