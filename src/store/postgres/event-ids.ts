import type { Publish } from '../store.ts';
import { bigints, storable, texts } from './arrays.ts';
import { type Executor, statement } from './connection.ts';

interface Claim {
  readonly name: string;
  readonly applicationKey: number;
  readonly eventId: string;
  readonly messageKey: number;
}

// Who inserts the same one at this moment is waited for. Those that are there already are not answered.
const INSERT = statement(
  `INSERT INTO posthorn.event_id (application_key, event_id, message_key)
   SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
   ON CONFLICT DO NOTHING RETURNING message_key AS "messageKey"`,
);
const DELETE = statement('DELETE FROM posthorn.event_id WHERE message_key = ANY ($1::bigint[])');

/** Claims the event ids of a batch, before it is known which of its publishes are taken. `keys`: of all messages. */
export async function claimEventIds(tx: Executor, publishes: readonly Publish[], keys: readonly number[]) {
  const claims = new Map<string, Claim>();
  let next = 0;
  for (const { applicationKey, messages } of publishes) {
    for (const { eventId } of messages) {
      const messageKey = keys[next++] as number;
      if (eventId === null) continue;
      const name = nameOf(applicationKey, eventId);
      if (!claims.has(name)) claims.set(name, { name, applicationKey, eventId, messageKey });
    }
  }
  const claimed = new Set(await insert(tx, [...claims.values()]));
  const taken = new Set<string>();
  for (const { name, messageKey } of claims.values()) if (!claimed.has(messageKey)) taken.add(name);
  const owners = new Map<string, Claim>();

  return {
    /** Gives a publish its event ids. When one is taken, by an earlier message or one of its own, it gets none: returns that one. */
    take({ applicationKey, messages }: Publish, messageKeys: readonly number[]): string | null {
      const own = new Map<string, Claim>();
      for (const [index, { eventId }] of messages.entries()) {
        if (eventId === null) continue;
        const name = nameOf(applicationKey, eventId);
        if (taken.has(name) || own.has(name)) return eventId;
        own.set(name, { name, applicationKey, eventId, messageKey: messageKeys[index] as number });
      }
      for (const [name, claim] of own) {
        taken.add(name);
        owners.set(name, claim);
      }
      return null;
    },
    /** What was claimed for a publish that was not taken goes, or to a later one that was. */
    async end(): Promise<void> {
      const wrong = [...claims.values()].filter(
        ({ name, messageKey }) => claimed.has(messageKey) && owners.get(name)?.messageKey !== messageKey,
      );
      if (wrong.length === 0) return;
      const others = wrong.flatMap(({ name }) => owners.get(name) ?? []);
      await Promise.all([
        tx.changes(DELETE, [bigints(wrong.map(({ messageKey }) => messageKey))]),
        insert(tx, others),
      ]);
    },
  };
}

/** In one order, as everybody does. Returns the message keys of those that were not there yet. */
async function insert(tx: Executor, claims: readonly Claim[]): Promise<number[]> {
  if (claims.length === 0) return [];
  const sorted = claims.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const rows = await tx.rows<{ messageKey: number }>(INSERT, [
    bigints(sorted.map(({ applicationKey }) => applicationKey)),
    texts(sorted.map(({ eventId }) => eventId)),
    bigints(sorted.map(({ messageKey }) => messageKey)),
  ]);
  return rows.map(({ messageKey }) => messageKey);
}

function nameOf(applicationKey: number, eventId: string): string {
  return `${applicationKey} ${storable(eventId)}`;
}
