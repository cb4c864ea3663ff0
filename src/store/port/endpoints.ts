import type { NewEndpointAnnouncement } from '../../model/announcement.ts';
import type { DisabledReason, Endpoint, Ordering } from '../../model/endpoint.ts';
import type { RetryChoice } from '../../model/retry-schedule.ts';
import type { NewTask } from '../../model/task.ts';

/** URLs that applications have registered, and how they do. */
export interface EndpointStore {
  /**
   * Inserts an endpoint. Its `webHookId` is made here: the company number and the first second, from `now` on, that
   * comes after those of all web hooks the company ever had and gives no uid of another live endpoint. `limit` bounds the
   * application's live endpoints. `uid_taken`: the uid is the uid or the `webHookId` of another one of them.
   */
  endpointInsert(
    params: NewEndpoint & { limit: number; announcements?: readonly NewEndpointAnnouncement[] },
  ): Promise<Endpoint | 'limit' | 'uid_taken'>;
  /** All live endpoints of an application, oldest first. */
  endpointList(params: { applicationKey: number }): Promise<Endpoint[]>;
  /** A live endpoint by its key, with the application's. */
  endpointFindByKey(params: { endpointKey: number }): Promise<Endpoint | null>;
  /**
   * Changes the named fields of a live endpoint; the uid as in `endpointInsert`. One that is enabled by it is no longer failing.
   * `task`: begins with the change, without limits; where the same one runs already (all but its id and its time are the same), that
   * one begins from its start again instead. Null when there is none.
   */
  endpointUpdate(params: {
    applicationKey: number;
    endpointKey: number;
    now: number;
    changes: EndpointChanges;
    announcements?: readonly NewEndpointAnnouncement[];
    task?: NewTask;
  }): Promise<Endpoint | 'uid_taken' | null>;
  /** Marks it deleted: it is found no more. Its deliveries stay, see `deliveryWithdraw`. False when there was none. */
  endpointDelete(params: {
    applicationKey: number;
    endpointKey: number;
    now: number;
    announcements?: readonly NewEndpointAnnouncement[];
  }): Promise<boolean>;
  /** Live endpoints that did nothing but fail since a time. */
  endpointFailing(): Promise<EndpointFailing[]>;
}

export interface NewEndpoint {
  applicationKey: number;
  id: string;
  uid: string | null;
  url: string;
  href: string;
  description: string;
  disabled: boolean;
  disabledReason: DisabledReason | null;
  disabledAt: number | null;
  pausedAt: number | null;
  eventTypes: readonly string[] | null;
  channels: readonly string[] | null;
  throttleRate: number | null;
  maxInFlight: number;
  ordering: Ordering;
  retrySchedule: RetryChoice | null;
  finalStatuses: readonly number[];
  version: number;
  metadata: Readonly<Record<string, string>>;
  sealedHeaders: Buffer | null;
  sealedSecret: Buffer;
  secretExpiries: readonly number[];
  now: number;
}

export type EndpointChanges = Partial<Omit<NewEndpoint, 'applicationKey' | 'id' | 'now'>>;

export interface EndpointFailing {
  readonly endpointKey: number;
  /** The first failure after the last success, ms since the Unix epoch. */
  readonly since: number;
  /** When operators were told that it will be disabled; null: not yet. */
  readonly warnedAt: number | null;
  /** Its breaker is open. */
  readonly broken: boolean;
}

/** Null: it works again. */
export type EndpointFailingChange =
  | (EndpointFailing & {
      readonly announcements?: readonly (NewEndpointAnnouncement & { applicationKey: number })[];
    })
  | { readonly endpointKey: number; readonly since: null };
