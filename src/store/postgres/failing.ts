import type { EndpointFailing, EndpointFailingChange } from '../store.ts';
import { announcing } from './announcements.ts';
import { bigints, smallints } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';

type Row = Omit<EndpointFailing, 'broken'> & { broken: 0 | 1 };
type Fails = Exclude<EndpointFailingChange, { since: null }>;

const LIST = statement(
  `SELECT f.endpoint_key AS "endpointKey", f.since, f.warned_at AS "warnedAt", f.broken FROM posthorn.endpoint_failing f
   JOIN posthorn.endpoint e ON e.endpoint_key = f.endpoint_key WHERE e.deleted_at IS NULL`,
);
// An endpoint may have been deleted while its attempt was under way.
const ADD = statement(
  `INSERT INTO posthorn.endpoint_failing (endpoint_key, since, warned_at, broken)
   SELECT u.endpoint_key, u.since, u.warned_at, u.broken
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[]) AS u (endpoint_key, since, warned_at, broken)
   JOIN posthorn.endpoint e ON e.endpoint_key = u.endpoint_key WHERE e.deleted_at IS NULL
   ORDER BY u.endpoint_key ON CONFLICT (endpoint_key) DO NOTHING RETURNING endpoint_key AS "endpointKey", broken`,
);
/** In one order, as everybody locks them. */
const LOCK = statement(
  `SELECT endpoint_key AS "endpointKey", since, warned_at AS "warnedAt", broken FROM posthorn.endpoint_failing
   WHERE endpoint_key = ANY ($1::bigint[]) ORDER BY endpoint_key FOR UPDATE`,
);
const CHANGE = statement(
  `UPDATE posthorn.endpoint_failing f SET since = u.since, warned_at = u.warned_at, broken = u.broken
   FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[]) AS u (endpoint_key, since, warned_at, broken)
   WHERE f.endpoint_key = u.endpoint_key`,
);
const CLEAR = statement(
  'DELETE FROM posthorn.endpoint_failing WHERE endpoint_key = ANY ($1::bigint[]) RETURNING broken',
);

/** Endpoints that did nothing but fail since a time. */
export function failing({ db }: Backend) {
  return {
    async endpointFailing(): Promise<EndpointFailing[]> {
      const rows = await db.rows<Row>(LIST);
      return rows.map((row) => ({ ...row, broken: row.broken === 1 }));
    },
  };
}

/** For the transaction of what made them fail, or work again. The other processes hear of breakers that opened or closed. */
export function failures(backend: Backend) {
  const { announceEndpoints } = announcing(backend);

  /** These work again, or are gone. */
  async function clear(tx: Executor, endpointKeys: readonly number[]): Promise<void> {
    if (endpointKeys.length === 0) return;
    const cleared = await tx.rows<{ broken: 0 | 1 }>(CLEAR, [bigints(endpointKeys)]);
    if (cleared.some(({ broken }) => broken === 1)) await backend.tell(tx, [{ kind: 'failing' }]);
  }

  /**
   * A change may come a second time, when nobody knew whether the first was written: it is announced once. That a breaker opened
   * or closed is announced to no operator.
   */
  async function changeFailing(
    tx: Executor,
    changes: readonly EndpointFailingChange[],
    now: number,
  ): Promise<void> {
    if (changes.length === 0) return;
    const fails = changes.filter((change): change is Fails => change.since !== null);
    const works = changes.filter(({ since }) => since === null).map(({ endpointKey }) => endpointKey);
    const [added, present] = await Promise.all([
      tx.rows<Pick<Row, 'endpointKey' | 'broken'>>(ADD, values(fails)),
      // Those that were just added are among them, as they are now.
      tx.rows<Row>(LOCK, [bigints(changes.map(({ endpointKey }) => endpointKey))]),
    ]);
    const addedKeys = new Set(added.map(({ endpointKey }) => endpointKey));
    const before = new Map(present.map((row) => [row.endpointKey, row]));
    const changed: Fails[] = [];
    const announced: Fails[] = fails.filter(({ endpointKey }) => addedKeys.has(endpointKey));
    let told = added.some(({ broken }) => broken === 1);
    for (const change of fails) {
      const was = before.get(change.endpointKey);
      if (was === undefined || addedKeys.has(change.endpointKey)) continue;
      const flipped = (was.broken === 1) !== change.broken;
      const moved = was.since !== change.since || was.warnedAt !== change.warnedAt;
      if (moved) announced.push(change);
      if (moved || flipped) changed.push(change);
      told ||= flipped;
    }
    const announcements = announced.flatMap(({ endpointKey, announcements: some = [] }) =>
      some.map((each) => ({ ...each, endpointKey })),
    );
    await Promise.all([
      ...(changed.length > 0 ? [tx.changes(CHANGE, values(changed))] : []),
      ...(told ? [backend.tell(tx, [{ kind: 'failing' }])] : []),
      announceEndpoints(tx, announcements, now),
      clear(tx, works),
    ]);
  }

  return { clear, changeFailing };
}

function values(changes: readonly Fails[]): Buffer[] {
  return [
    bigints(changes.map(({ endpointKey }) => endpointKey)),
    bigints(changes.map(({ since }) => since)),
    bigints(changes.map(({ warnedAt }) => warnedAt)),
    smallints(changes.map(({ broken }) => (broken ? 1 : 0))),
  ];
}
