import type {
  Announcement,
  AttemptAnnouncementType,
  NewEndpointAnnouncement,
} from '../../model/announcement.ts';
import { type AnnouncementRow, announcement } from '../rows/announcement-row.ts';
import { type Connection, transaction } from './connection.ts';

interface Of {
  readonly applicationKey: number;
  readonly endpointKey: number;
  readonly now: number;
}

/** What operators are yet to be told. */
export function announcements(connection: Connection) {
  const list = connection.prepare(
    `SELECT announcement_key AS key, type, application_key AS applicationKey, endpoint_key AS endpointKey,
       message_key AS messageKey, attempt_id AS attemptId, data, created_at AS createdAt
     FROM announcement ORDER BY announcement_key LIMIT ?`,
  );
  const remove = connection.prepare('DELETE FROM announcement WHERE announcement_key = ?');
  return {
    announcementList: ({ limit }: { limit: number }): Announcement[] =>
      (list.all(limit) as AnnouncementRow[]).map(announcement),
    announcementDelete: ({ keys }: { keys: readonly number[] }): void =>
      transaction(connection, () => {
        for (const key of keys) remove.run(key);
      }),
  };
}

/** For the transaction of the change that is told. */
export function announcing(connection: Connection) {
  const insert = connection.prepare(
    `INSERT INTO announcement (type, application_key, endpoint_key, message_key, attempt_id, data, created_at)
     VALUES (@type, @applicationKey, @endpointKey, @messageKey, @attemptId, @data, @now)`,
  );
  return {
    ofEndpoint(announced: readonly NewEndpointAnnouncement[], of: Of): void {
      for (const { type, data } of announced) {
        insert.run({ ...of, type, data: JSON.stringify(data), messageKey: null, attemptId: null });
      }
    },
    ofAttempt(type: AttemptAnnouncementType, of: Of & { messageKey: number; attemptId: string }): void {
      insert.run({ ...of, type, data: null });
    },
  };
}
