import type {
  Announcement,
  AttemptAnnouncementType,
  EndpointAnnouncementType,
} from '../../model/announcement.ts';

export interface AnnouncementRow {
  key: number;
  type: string;
  applicationKey: number;
  endpointKey: number;
  messageKey: number | null;
  attemptId: string | null;
  data: string | null;
  createdAt: number;
}

export function announcement({ type, messageKey, attemptId, data, ...of }: AnnouncementRow): Announcement {
  if (messageKey === null || attemptId === null) {
    return { ...of, type: type as EndpointAnnouncementType, data: JSON.parse(data ?? '{}') };
  }
  return { ...of, type: type as AttemptAnnouncementType, messageKey, attemptId };
}
