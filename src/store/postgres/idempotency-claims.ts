import type { Publish, PublishResult } from '../store.ts';
import { byteArrays, texts } from './arrays.ts';
import { type Executor, statement } from './connection.ts';

type Keyed = Publish & { readonly idempotency: NonNullable<Publish['idempotency']> };
export type Earlier = Extract<PublishResult, { kind: 'replayed' | 'idempotency_mismatch' }>;
export interface KeptRow {
  keyHash: Buffer;
  bodyHash: Buffer;
  /** JSON. */
  messageIds: string;
}

// Who inserts the same one at this moment is waited for. Those that are there already are not answered.
const INSERT = statement(
  `INSERT INTO posthorn.idempotency (key_hash, body_hash, message_ids, created_at)
   SELECT *, $4::bigint FROM unnest($1::bytea[], $2::bytea[], $3::text[])
   ON CONFLICT DO NOTHING RETURNING key_hash AS "keyHash"`,
);
const DELETE = statement('DELETE FROM posthorn.idempotency WHERE key_hash = ANY ($1::bytea[])');
const FIND = statement(
  `SELECT key_hash AS "keyHash", body_hash AS "bodyHash", message_ids AS "messageIds"
   FROM posthorn.idempotency WHERE key_hash = ANY ($1::bytea[])`,
);

/** What those under these keys were answered that came before. */
export function findKept(tx: Executor, keyHashes: readonly Buffer[]): Promise<KeptRow[]> {
  return tx.rows<KeptRow>(FIND, [byteArrays(keyHashes)]);
}

/** What a publish gets whose key was used before. */
export function answerOf({ bodyHash, messageIds }: KeptRow, now: { readonly bodyHash: Buffer }): Earlier {
  if (!bodyHash.equals(now.bodyHash)) return { kind: 'idempotency_mismatch' };
  return { kind: 'replayed', messageIds: JSON.parse(messageIds) };
}

/** Claims the idempotency keys of a batch, before it is known which of its publishes are taken. */
export async function claimIdempotencyKeys(tx: Executor, publishes: readonly Publish[], now: number) {
  const claims = new Map<string, Keyed>();
  for (const publish of publishes) {
    if (isKeyed(publish) && !claims.has(nameOf(publish))) claims.set(nameOf(publish), publish);
  }
  const hashes = Array.from(claims.values(), ({ idempotency }) => idempotency.keyHash);
  // The second statement sees what the first one waited for.
  const [claimed, present] = await Promise.all([
    insert(tx, [...claims.values()], now),
    hashes.length === 0 ? [] : findKept(tx, hashes),
  ]);
  const kept = new Map<string, KeptRow>();
  for (const row of present) {
    const name = row.keyHash.toString('latin1');
    if (!claimed.has(name)) kept.set(name, row);
  }
  const owners = new Map<string, Keyed>();

  return {
    /** What the same key was answered before, by an earlier call or one of the batch; null: it is new, or there is none. */
    earlier(publish: Publish): Earlier | null {
      if (!isKeyed(publish)) return null;
      const row = kept.get(nameOf(publish));
      return row === undefined ? null : answerOf(row, publish.idempotency);
    },
    /** This one was taken. */
    keep(publish: Publish): void {
      if (!isKeyed(publish)) return;
      owners.set(nameOf(publish), publish);
      kept.set(nameOf(publish), rowOf(publish));
    },
    /** What was claimed for a publish that was not taken goes, or to a later one that was. */
    async end(): Promise<void> {
      const wrong = [...claims].filter(
        ([name, publish]) => claimed.has(name) && owners.get(name) !== publish,
      );
      if (wrong.length === 0) return;
      const others = wrong.flatMap(([name]) => owners.get(name) ?? []);
      await Promise.all([
        tx.changes(DELETE, [byteArrays(wrong.map(([, { idempotency }]) => idempotency.keyHash))]),
        insert(tx, others, now),
      ]);
    },
  };
}

/** In one order, as everybody does. Returns those that were not there yet. */
async function insert(tx: Executor, publishes: readonly Keyed[], now: number): Promise<Set<string>> {
  if (publishes.length === 0) return new Set();
  const kept = publishes.map(rowOf).sort((one, other) => one.keyHash.compare(other.keyHash));
  const rows = await tx.rows<{ keyHash: Buffer }>(INSERT, [
    byteArrays(kept.map(({ keyHash }) => keyHash)),
    byteArrays(kept.map(({ bodyHash }) => bodyHash)),
    texts(kept.map(({ messageIds }) => messageIds)),
    now,
  ]);
  return new Set(rows.map(({ keyHash }) => keyHash.toString('latin1')));
}

function rowOf({ idempotency, messages }: Keyed): KeptRow {
  return { ...idempotency, messageIds: JSON.stringify(messages.map(({ id }) => id)) };
}

function isKeyed(publish: Publish): publish is Keyed {
  return publish.idempotency !== null;
}

function nameOf({ idempotency }: Keyed): string {
  return idempotency.keyHash.toString('latin1');
}
