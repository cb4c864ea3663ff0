import type { Line } from '../line.ts';
import type { Connection } from './connection.ts';

interface Standing {
  messageKey: number;
  state: number;
  nextAttemptAt: number | null;
}

const [PENDING, SENDING] = [0, 1];

/** Whether nobody stands in the line yet: whoever asks comes into it. */
export type IsFirst = (endpointKey: number, orderKey: string) => boolean;

/**
 * For new messages, which come to the end of their lines: nothing changes for those that stand there already. The store is
 * asked once for each line of a batch.
 */
export function newcomers(connection: Connection): () => IsFirst {
  const stands = connection
    .prepare(
      'SELECT 1 FROM delivery WHERE endpoint_key = ? AND order_key = ? AND state IN (0, 1, 3, 4) LIMIT 1',
    )
    .pluck();
  return () => {
    const asked = new Map<number, Set<string>>();
    return (endpointKey, orderKey) => {
      const ofEndpoint = asked.get(endpointKey) ?? new Set();
      if (ofEndpoint.size === 0) asked.set(endpointKey, ofEndpoint);
      if (ofEndpoint.has(orderKey)) return false;
      ofEndpoint.add(orderKey);
      return stands.get(endpointKey, orderKey) === undefined;
    };
  };
}

export function lines(connection: Connection) {
  const columns = 'message_key AS messageKey, state, next_attempt_at AS nextAttemptAt';
  const turns = connection.prepare(
    `SELECT ${columns} FROM delivery WHERE endpoint_key = @endpointKey AND order_key = @orderKey AND state IN (0, 1)
     AND next_attempt_at IS NOT NULL`,
  );
  const first = connection.prepare(
    `SELECT ${columns} FROM delivery WHERE endpoint_key = @endpointKey AND order_key = @orderKey AND state IN (0, 1, 3, 4)
     ORDER BY message_key LIMIT 1`,
  );
  const setBack = connection.prepare(
    'UPDATE delivery SET next_attempt_at = NULL WHERE message_key = ? AND endpoint_key = ?',
  );
  const setDue = connection
    .prepare(
      `UPDATE delivery SET next_attempt_at = max(@now, coalesce((SELECT deliver_at FROM message INDEXED BY message_deliver_at
         WHERE message_key = @messageKey AND deliver_at IS NOT NULL), 0))
       WHERE message_key = @messageKey AND endpoint_key = @endpointKey RETURNING next_attempt_at`,
    )
    .pluck();

  /** After any change to a line: gives the turn to whom it belongs. Returns when that one is due; null: none is pending with a time. */
  return function advance(line: Line, now: number): number | null {
    const present = turns.all(line) as Standing[];
    const sending = present.some(({ state }) => state === SENDING);
    const next = sending ? undefined : (first.get(line) as Standing | undefined);
    for (const { messageKey, state } of present) {
      if (state === PENDING && messageKey !== next?.messageKey) setBack.run(messageKey, line.endpointKey);
    }
    if (next === undefined || next.state !== PENDING) return null;
    if (next.nextAttemptAt !== null) return next.nextAttemptAt;
    return setDue.get({ now, messageKey: next.messageKey, endpointKey: line.endpointKey }) as number;
  };
}
