/**
 * What operators are told of by operational webhooks. Names and data are those of the protocol; `endpoint.enabled` and
 * `endpoint.failing` are additions.
 */
export const announcementTypes = [
  'endpoint.created',
  'endpoint.updated',
  'endpoint.deleted',
  'endpoint.enabled',
  'endpoint.disabled',
  'endpoint.failing',
  'message.attempt.failing',
  'message.attempt.exhausted',
  'message.attempt.recovered',
] as const;

export type AnnouncementType = (typeof announcementTypes)[number];
export type AttemptAnnouncementType = Extract<AnnouncementType, `message.${string}`>;
export type EndpointAnnouncementType = Exclude<AnnouncementType, AttemptAnnouncementType>;

/** Stored in the transaction of what it is about, and published after it: a crash between the two loses nothing. */
export type Announcement = {
  /** The store's key. */
  readonly key: number;
  readonly applicationKey: number;
  readonly endpointKey: number;
  readonly createdAt: number;
} & (
  | { readonly type: EndpointAnnouncementType; readonly data: EndpointAnnouncementData }
  | { readonly type: AttemptAnnouncementType; readonly messageKey: number; readonly attemptId: string }
);

/** `data` of the event, as it is sent: an endpoint may be gone when that happens. */
export interface EndpointAnnouncementData {
  readonly appId: string;
  readonly appUid: string | null;
  readonly endpointId: string;
  readonly endpointUid: string | null;
  /** Of `endpoint.disabled` and `endpoint.failing`: since when nothing but failure came back, RFC 3339. */
  readonly failSince?: string;
  /** Of `endpoint.disabled`. */
  readonly reason?: 'manual' | 'gone' | 'failing';
  /** Of `endpoint.failing`: when it will be disabled if that goes on, RFC 3339. */
  readonly disableAt?: string;
}

/** One that goes into the transaction of the change it tells of. */
export interface NewEndpointAnnouncement {
  readonly type: EndpointAnnouncementType;
  readonly data: EndpointAnnouncementData;
}
