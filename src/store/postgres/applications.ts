import type { Application } from '../../model/application.ts';
import { type ApplicationRow, application, numberOf } from '../rows/application-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { NewApplication, Store } from '../store.ts';
import { bigints, storable } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';
import { failures } from './failing.ts';
import { lock } from './locks.ts';
import { upwards } from './pages.ts';

type ListParams = Parameters<Store['applicationList']>[0];
type UpdateParams = Parameters<Store['applicationUpdate']>[0];
type DeleteParams = Parameters<Store['applicationDelete']>[0];

// Named one by one: `*` would be other columns to a session when a newer program adds one, and its prepared statements fail.
const COLUMNS =
  'application_key, id, number, uid, name, throttle_rate, metadata, revision, created_at, updated_at';

const FIND = statement(
  `SELECT 1 AS place, ${COLUMNS} FROM posthorn.application WHERE id = $1 AND deleted_at IS NULL
   UNION ALL SELECT 2, ${COLUMNS} FROM posthorn.application WHERE uid = $1 AND deleted_at IS NULL
   UNION ALL SELECT 3, ${COLUMNS} FROM posthorn.application WHERE number = $2 AND number > 0 AND deleted_at IS NULL`,
);
const BY_NUMBER = statement(
  `SELECT ${COLUMNS} FROM posthorn.application WHERE number = $1 AND number > 0 AND deleted_at IS NULL`,
);
const BY_KEY = statement(
  `SELECT ${COLUMNS} FROM posthorn.application WHERE application_key = $1 AND deleted_at IS NULL`,
);
const REVISIONS = statement(
  `SELECT application_key AS "applicationKey", revision FROM posthorn.application
   WHERE application_key = ANY ($1::bigint[]) AND deleted_at IS NULL`,
);
/** Whoever changes an application or one of its endpoints has its row, so that changes come one after the other. */
const LOCKED = statement(
  `SELECT ${COLUMNS} FROM posthorn.application WHERE application_key = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`,
);
/** Another that is found by this uid, or has it for its number. */
const TAKEN = statement(
  `SELECT 1 FROM (
     SELECT application_key FROM posthorn.application WHERE uid = $1 AND deleted_at IS NULL
     UNION ALL SELECT application_key FROM posthorn.application WHERE number = $2 AND number > 0 AND deleted_at IS NULL) AS found
   WHERE application_key IS DISTINCT FROM $3 LIMIT 1`,
);
// The number after the last that was given, deleted applications' too. A uid may look like a number that is not given yet: that
// number is left out.
const INSERT = statement(
  `WITH RECURSIVE free (number) AS (
     SELECT coalesce(max(number), 0) + 1 FROM posthorn.application
     UNION ALL SELECT free.number + 1 FROM free WHERE EXISTS (SELECT 1 FROM posthorn.application WHERE uid = free.number::text))
   INSERT INTO posthorn.application (id, number, uid, name, throttle_rate, metadata, created_at, updated_at)
   SELECT $1, max(number), $2, $3, $4, $5, $6, $6 FROM free RETURNING ${COLUMNS}`,
);
// Its number is none that an application is given, and no reference.
const MAKE_OPERATIONAL = statement(
  `INSERT INTO posthorn.application (id, number, name, metadata, created_at, updated_at)
   VALUES ($1, 0, 'Operational webhooks', '{}', $2, $2) ON CONFLICT (number) DO NOTHING`,
);
const OPERATIONAL = statement(`SELECT ${COLUMNS} FROM posthorn.application WHERE number = 0`);
const LAST_NUMBER = statement('SELECT coalesce(max(number), 0) AS number FROM posthorn.application');
const LIST = upwards<ApplicationRow>(
  (order) =>
    `SELECT ${COLUMNS} FROM posthorn.application
     WHERE deleted_at IS NULL AND number > 0 AND id > coalesce($1, '') AND id < coalesce($2, '~') ORDER BY id ${order} LIMIT $3`,
);
const UPDATE = statement(
  `UPDATE posthorn.application SET uid = $2, name = $3, throttle_rate = $4, metadata = $5, updated_at = $6,
     revision = revision + 1 WHERE application_key = $1 RETURNING ${COLUMNS}`,
);
const DELETE = statement(
  `UPDATE posthorn.application SET deleted_at = $2, uid = NULL, revision = revision + 1
   WHERE application_key = $1 AND deleted_at IS NULL`,
);
/** In one order, as everybody locks them. */
const LOCK_ENDPOINTS = statement(
  `SELECT endpoint_key AS "endpointKey" FROM posthorn.endpoint WHERE application_key = $1 AND deleted_at IS NULL
   ORDER BY endpoint_key FOR NO KEY UPDATE`,
);
const DELETE_ENDPOINTS = statement(
  'UPDATE posthorn.endpoint SET deleted_at = $2, uid = NULL WHERE application_key = $1 AND deleted_at IS NULL',
);
const REVOKE_KEYS = statement(
  'UPDATE posthorn.api_key SET revoked_at = $2 WHERE application_key = $1 AND revoked_at IS NULL',
);

export function applications(backend: Backend) {
  const { db, tell } = backend;

  return {
    applicationInsert: (params: NewApplication): Promise<Application | null> =>
      db.transaction(async (tx) => {
        const { id, uid, name, throttleRate, metadata, now } = params;
        const [, isTaken] = await Promise.all([lock(tx, 'applications'), taken(tx, uid, null)]);
        if (isTaken) return null;
        const values = [id, stored(uid), storable(name), throttleRate, JSON.stringify(metadata), now];
        return found(await tx.row<ApplicationRow>(INSERT, values));
      }),
    async applicationOperational({ id, now }: { id: string; now: number }): Promise<Application> {
      await db.changes(MAKE_OPERATIONAL, [id, now]);
      return application((await db.row<ApplicationRow>(OPERATIONAL)) as ApplicationRow);
    },
    async applicationFind({ ref }: { ref: string }): Promise<Application | null> {
      if (ref.includes('\0')) return null;
      const rows = await db.rows<ApplicationRow & { place: number }>(FIND, [ref, numberOf(ref)]);
      const [first = null] = rows.toSorted((one, other) => one.place - other.place);
      return found(first);
    },
    applicationFindByNumber: async ({ number }: { number: number }): Promise<Application | null> =>
      found(await db.row<ApplicationRow>(BY_NUMBER, [number])),
    applicationFindByKey: async ({
      applicationKey,
    }: {
      applicationKey: number;
    }): Promise<Application | null> => found(await db.row<ApplicationRow>(BY_KEY, [applicationKey])),
    applicationRevisions: ({ applicationKeys }: { applicationKeys: readonly number[] }) =>
      db.rows<{ applicationKey: number; revision: number }>(REVISIONS, [bigints(applicationKeys)]),
    applicationLastNumber: async (): Promise<number> =>
      (await db.row<{ number: number }>(LAST_NUMBER))?.number ?? 0,
    applicationList: async (params: ListParams): Promise<Application[]> =>
      (await LIST(db, params)).map(application),
    applicationUpdate: ({
      applicationKey,
      now,
      changes,
    }: UpdateParams): Promise<Application | 'uid_taken' | null> =>
      db.transaction(async (tx) => {
        const asked = namedChanges(changes);
        if (asked.uid !== undefined) await lock(tx, 'applications');
        const present = found(await tx.row<ApplicationRow>(LOCKED, [applicationKey]));
        if (present === null) return null;
        if (await taken(tx, asked.uid, applicationKey)) return 'uid_taken';
        const { uid, name, throttleRate, metadata } = { ...present, ...asked };
        const [row] = await Promise.all([
          tx.row<ApplicationRow>(UPDATE, [
            ...[applicationKey, stored(uid), storable(name), throttleRate, JSON.stringify(metadata), now],
          ]),
          tell(tx, [{ kind: 'application', applicationKey }]),
        ]);
        return application(row as ApplicationRow);
      }),
    applicationDelete: removing(backend),
  };
}

/** Deletes an application with all that it has. */
function removing(backend: Backend) {
  const { db, tell } = backend;
  const { clear } = failures(backend);
  return ({ applicationKey, now }: DeleteParams): Promise<{ endpointKeys: number[] } | null> =>
    db.transaction(async (tx) => {
      if ((await tx.changes(DELETE, [applicationKey, now])) === 0) return null;
      const [revoked, endpoints] = await Promise.all([
        tx.changes(REVOKE_KEYS, [applicationKey, now]),
        tx.rows<{ endpointKey: number }>(LOCK_ENDPOINTS, [applicationKey]),
        tx.changes(DELETE_ENDPOINTS, [applicationKey, now]),
      ]);
      const endpointKeys = endpoints.map(({ endpointKey }) => endpointKey);
      await Promise.all([
        clear(tx, endpointKeys),
        tell(tx, [
          { kind: 'application', applicationKey },
          ...(revoked > 0 ? [{ kind: 'keys' } as const] : []),
        ]),
      ]);
      return { endpointKeys };
    });
}

/** Whether another application is found by it. */
async function taken(tx: Executor, uid: string | null | undefined, ownKey: number | null): Promise<boolean> {
  if (typeof uid !== 'string') return false;
  return (await tx.row(TAKEN, [storable(uid), numberOf(uid), ownKey])) !== null;
}

function stored(text: string | null): string | null {
  return text === null ? null : storable(text);
}

function found(row: ApplicationRow | null): Application | null {
  return row === null ? null : application(row);
}
