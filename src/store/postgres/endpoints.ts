import type { Endpoint } from '../../model/endpoint.ts';
import { webHookId } from '../../model/web-hook-id.ts';
import { type EndpointFields, type EndpointRow, endpoint, storedEndpoint } from '../rows/endpoint-row.ts';
import { namedChanges } from '../rows/named-changes.ts';
import type { NewEndpoint, Store } from '../store.ts';
import { announcing } from './announcements.ts';
import { storable } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement, type Value } from './connection.ts';
import { ENDPOINT_COLUMNS } from './endpoint-columns.ts';
import { failures } from './failing.ts';
import { restartTask } from './task-restarts.ts';
import { insertTask } from './tasks.ts';

type InsertParams = Parameters<Store['endpointInsert']>[0];
type DeleteParams = Parameters<Store['endpointDelete']>[0];
type UpdateParams = Parameters<Store['endpointUpdate']>[0];

/** Whoever changes an endpoint has the row of its application, so that these changes come one after the other. */
const LOCK_APPLICATION = statement(
  `SELECT number, web_hook_second AS second, deleted_at AS "deletedAt" FROM posthorn.application
   WHERE application_key = $1 FOR NO KEY UPDATE`,
);
const CHANGED = statement(
  'UPDATE posthorn.application SET revision = revision + 1 WHERE application_key = $1',
);
const CHANGED_AND_COUNTED = statement(
  'UPDATE posthorn.application SET revision = revision + 1, web_hook_second = $2 WHERE application_key = $1',
);
const COUNT = statement(
  'SELECT count(*) AS live FROM posthorn.endpoint WHERE application_key = $1 AND deleted_at IS NULL',
);
/** Another one of the application that is found by this uid; deleted ones have none. */
const TAKEN = statement(
  `SELECT 1 FROM (
     SELECT endpoint_key FROM posthorn.endpoint WHERE application_key = $1 AND uid IS NOT NULL AND uid = $2
     UNION ALL SELECT endpoint_key FROM posthorn.endpoint
       WHERE web_hook_id = $2 AND application_key = $1 AND deleted_at IS NULL) AS found
   WHERE endpoint_key IS DISTINCT FROM $3 LIMIT 1`,
);
const BY_UID = statement(
  'SELECT endpoint_key FROM posthorn.endpoint WHERE application_key = $1 AND uid IS NOT NULL AND uid = $2',
);
const BY_KEY = statement(
  `SELECT ${ENDPOINT_COLUMNS} FROM posthorn.endpoint e WHERE e.endpoint_key = $1 AND e.deleted_at IS NULL`,
);
const LIST = statement(
  `SELECT ${ENDPOINT_COLUMNS} FROM posthorn.endpoint e WHERE e.application_key = $1 AND e.deleted_at IS NULL
   ORDER BY e.endpoint_key`,
);
const FIELDS = [
  ...[
    'uid',
    'url',
    'href',
    'description',
    'disabled',
    'disabled_reason',
    'disabled_at',
    'paused_at',
    'event_types',
  ],
  ...[
    'channels',
    'throttle_rate',
    'max_in_flight',
    'ordering',
    'retry_schedule',
    'final_statuses',
    'version',
    'metadata',
  ],
  ...['sealed_headers', 'sealed_secret', 'secret_expiries'],
];
const PLACES = FIELDS.map((_, index) => `$${index + 6}`);
const INSERT = statement(
  `INSERT INTO posthorn.endpoint AS e (application_key, created_at, updated_at, id, web_hook_id, deleted_at, ${FIELDS})
   VALUES ($1, $2, $2, $3, $4, $5, ${PLACES}) RETURNING ${ENDPOINT_COLUMNS}`,
);
const UPDATE = statement(
  `UPDATE posthorn.endpoint e SET updated_at = $2, ${FIELDS.map((field, index) => `${field} = $${index + 3}`)}
   WHERE e.endpoint_key = $1 RETURNING ${ENDPOINT_COLUMNS}`,
);
const DELETE = statement(
  `UPDATE posthorn.endpoint SET deleted_at = $3, uid = NULL
   WHERE endpoint_key = $1 AND application_key = $2 AND deleted_at IS NULL`,
);

export function endpoints(backend: Backend) {
  const { db } = backend;
  return {
    ...insertions(backend),
    ...changes(backend),
    endpointList: async ({ applicationKey }: { applicationKey: number }): Promise<Endpoint[]> =>
      (await db.rows<EndpointRow>(LIST, [applicationKey])).map(endpoint),
    endpointFindByKey: ({ endpointKey }: { endpointKey: number }): Promise<Endpoint | null> =>
      find(db, endpointKey),
  };
}

function insertions(backend: Backend) {
  const { db, tell } = backend;
  const { announceEndpoint } = announcing(backend);
  return {
    endpointInsert: ({
      limit,
      announcements = [],
      ...params
    }: InsertParams): Promise<Endpoint | 'limit' | 'uid_taken'> =>
      db.transaction(async (tx) => {
        const { applicationKey, uid, id, now } = params;
        const [company, count, isTaken] = await Promise.all([
          tx.row<Company>(LOCK_APPLICATION, [applicationKey]),
          tx.row<{ live: number }>(COUNT, [applicationKey]),
          taken(tx, applicationKey, uid, null),
        ]);
        if (company === null) throw new Error(`There is no application ${applicationKey}.`);
        if ((count?.live ?? 0) >= limit) return 'limit';
        if (isTaken) return 'uid_taken';
        const next = await nextWebHookId(tx, company, params);
        // Another process may have deleted the application meanwhile. Then it is as if that had come right after this.
        const own = [applicationKey, now, id, next.webHookId, company.deletedAt];
        const [row] = await Promise.all([
          tx.row<EndpointRow>(INSERT, [...own, ...columns(params)]),
          tx.changes(CHANGED_AND_COUNTED, [applicationKey, next.second]),
          tell(tx, [{ kind: 'application', applicationKey }]),
        ]);
        const inserted = endpoint(row as EndpointRow);
        await announceEndpoint(tx, announcements, { applicationKey, endpointKey: inserted.key, now });
        return inserted;
      }),
  };
}

function changes(backend: Backend) {
  const { db, tell } = backend;
  const { announceEndpoint } = announcing(backend);
  const { clear } = failures(backend);
  return {
    endpointUpdate: (params: UpdateParams): Promise<Endpoint | 'uid_taken' | null> =>
      db.transaction(async (tx) => {
        const { endpointKey, applicationKey, now, changes, announcements = [], task } = params;
        const [, present, isTaken] = await Promise.all([
          tx.row(LOCK_APPLICATION, [applicationKey]),
          find(tx, endpointKey),
          taken(tx, applicationKey, changes.uid, endpointKey),
        ]);
        if (present === null || present.applicationKey !== applicationKey) return null;
        if (isTaken) return 'uid_taken';
        const fields = columns({ ...present, ...namedChanges(changes) });
        const [row] = await Promise.all([
          tx.row<EndpointRow>(UPDATE, [endpointKey, now, ...fields]),
          tx.changes(CHANGED, [applicationKey]),
          tell(tx, [
            { kind: 'application', applicationKey },
            ...(task === undefined ? [] : [{ kind: 'task' } as const]),
          ]),
          announceEndpoint(tx, announcements, { applicationKey, endpointKey, now }),
        ]);
        const changed = endpoint(row as EndpointRow);
        if (present.disabled && !changed.disabled) await clear(tx, [endpointKey]);
        if (task !== undefined && (await restartTask(tx, task)) === null) await insertTask(tx, task);
        return changed;
      }),
    endpointDelete: ({
      applicationKey,
      endpointKey,
      now,
      announcements = [],
    }: DeleteParams): Promise<boolean> =>
      db.transaction(async (tx) => {
        const [, deleted] = await Promise.all([
          tx.row(LOCK_APPLICATION, [applicationKey]),
          tx.changes(DELETE, [endpointKey, applicationKey, now]),
        ]);
        if (deleted === 0) return false;
        await Promise.all([
          tx.changes(CHANGED, [applicationKey]),
          clear(tx, [endpointKey]),
          tell(tx, [{ kind: 'application', applicationKey }]),
          announceEndpoint(tx, announcements, { applicationKey, endpointKey, now }),
        ]);
        return true;
      }),
  };
}

interface Company {
  number: number;
  /** The last second that a web hook id of it was made of. */
  second: number;
  deletedAt: number | null;
}

async function find(db: Executor, endpointKey: number): Promise<Endpoint | null> {
  const row = await db.row<EndpointRow>(BY_KEY, [endpointKey]);
  return row === null ? null : endpoint(row);
}

/** Whether another endpoint of the application is found by it. */
async function taken(
  tx: Executor,
  applicationKey: number,
  uid: string | null | undefined,
  ownKey: number | null,
): Promise<boolean> {
  if (typeof uid !== 'string') return false;
  return (await tx.row(TAKEN, [applicationKey, storable(uid), ownKey])) !== null;
}

/** A uid may look like a web hook id that is not given yet: that one is left out. */
async function nextWebHookId(
  tx: Executor,
  company: Company,
  { applicationKey, uid, now }: Pick<NewEndpoint, 'applicationKey' | 'uid' | 'now'>,
): Promise<{ second: number; webHookId: string }> {
  for (let second = Math.max(company.second + 1, Math.floor(now / 1000)); ; second++) {
    const id = webHookId(company.number, second);
    if (id === uid || (await tx.row(BY_UID, [applicationKey, id])) === null) {
      return { second, webHookId: id };
    }
  }
}

/** In the order of `FIELDS`. */
function columns(fields: EndpointFields): Value[] {
  const row = storedEndpoint(fields);
  return [
    row.uid === null ? null : storable(row.uid),
    storable(row.url),
    storable(row.href),
    storable(row.description),
    row.disabled,
    row.disabledReason,
    row.disabledAt,
    row.pausedAt,
    row.eventTypes,
    row.channels,
    row.throttleRate,
    row.maxInFlight,
    row.ordering,
    row.retrySchedule,
    row.finalStatuses,
    row.version,
    row.metadata,
    row.sealedHeaders,
    row.sealedSecret,
    row.secretExpiries,
  ];
}
