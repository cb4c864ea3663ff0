import type {
  Announcement,
  AttemptAnnouncementType,
  NewEndpointAnnouncement,
} from '../../model/announcement.ts';
import { type AnnouncementRow, announcement } from '../rows/announcement-row.ts';
import { bigints, texts } from './arrays.ts';
import type { Backend } from './backend.ts';
import { type Executor, statement } from './connection.ts';

/** An attempt that operators are told of. */
export interface AttemptAnnouncement {
  readonly type: AttemptAnnouncementType;
  readonly applicationKey: number;
  readonly endpointKey: number;
  readonly messageKey: number;
  readonly attemptId: string;
}

const LIST = statement(
  `SELECT announcement_key AS key, type, application_key AS "applicationKey", endpoint_key AS "endpointKey",
     message_key AS "messageKey", attempt_id AS "attemptId", data, created_at AS "createdAt"
   FROM posthorn.announcement ORDER BY announcement_key LIMIT $1`,
);
const DELETE = statement('DELETE FROM posthorn.announcement WHERE announcement_key = ANY ($1::bigint[])');
const INSERT = statement(
  `INSERT INTO posthorn.announcement (type, application_key, endpoint_key, message_key, attempt_id, data, created_at)
   SELECT type, application_key, endpoint_key, message_key, attempt_id, data, $7::bigint
   FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
     AS u (type, application_key, endpoint_key, message_key, attempt_id, data)`,
);

/** What operators are yet to be told. */
export function announcements({ db }: Backend) {
  return {
    async announcementList({ limit }: { limit: number }): Promise<Announcement[]> {
      return (await db.rows<AnnouncementRow>(LIST, [limit])).map(announcement);
    },
    async announcementDelete({ keys }: { keys: readonly number[] }): Promise<void> {
      if (keys.length > 0) await db.changes(DELETE, [bigints(keys)]);
    },
  };
}

/** For the transaction of the change that is told. The other processes hear that there is something. */
export function announcing({ tell }: Backend) {
  async function insert(tx: Executor, rows: readonly Inserted[], now: number): Promise<void> {
    if (rows.length === 0) return;
    await Promise.all([
      tx.changes(INSERT, [
        texts(rows.map((row) => row.type)),
        bigints(rows.map((row) => row.applicationKey)),
        bigints(rows.map((row) => row.endpointKey)),
        bigints(rows.map((row) => row.messageKey)),
        texts(rows.map((row) => row.attemptId)),
        texts(rows.map((row) => row.data)),
        now,
      ]),
      tell(tx, [{ kind: 'announced' }]),
    ]);
  }
  return {
    announceEndpoint: (
      tx: Executor,
      announced: readonly NewEndpointAnnouncement[],
      { now, ...of }: { applicationKey: number; endpointKey: number; now: number },
    ): Promise<void> =>
      announceEndpoints(
        tx,
        announced.map((each) => ({ ...each, ...of })),
        now,
      ),
    announceEndpoints,
    announceAttempts: (tx: Executor, announced: readonly AttemptAnnouncement[], now: number): Promise<void> =>
      insert(
        tx,
        announced.map((each) => ({ ...each, data: null })),
        now,
      ),
  };

  /** Of several endpoints. */
  function announceEndpoints(tx: Executor, announced: readonly EndpointAnnouncement[], now: number) {
    const rows = announced.map(({ type, data, applicationKey, endpointKey }) => ({
      ...{ type, applicationKey, endpointKey, messageKey: null, attemptId: null },
      data: JSON.stringify(data),
    }));
    return insert(tx, rows, now);
  }
}

export type EndpointAnnouncement = NewEndpointAnnouncement & {
  readonly applicationKey: number;
  readonly endpointKey: number;
};

type Inserted = Omit<AnnouncementRow, 'key' | 'createdAt'>;
