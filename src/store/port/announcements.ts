import type { Announcement } from '../../model/announcement.ts';

/** What operators are yet to be told. */
export interface AnnouncementStore {
  /** What is yet to be told, oldest first. */
  announcementList(params: { limit: number }): Promise<Announcement[]>;
  announcementDelete(params: { keys: readonly number[] }): Promise<void>;
}
