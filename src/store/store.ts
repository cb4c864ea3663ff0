import type { Application } from '../model/application.ts';
import type { Attempt } from '../model/attempt.ts';
import type { Delivery, DeliveryState, Verdict } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { EventType } from '../model/event-type.ts';
import type { Key } from '../model/key.ts';
import type { Lease, LeasedDelivery } from '../model/lease.ts';
import type { Message, NewMessage } from '../model/message.ts';

/**
 * The store's port: what the rooms ask of a database. Every driver passes `test/contract/store.ts`.
 *
 * Each write is one transaction and durable when its promise resolves. A rejected promise means that nothing of it
 * was written, except `StoreError` with `code` `unknown`: then it may have been. All times are ms since the Unix epoch.
 */
export interface Store {
  /** How many times this store was opened: a new number for each process, the base of its fences. */
  readonly epoch: number;

  /**
   * Inserts an application. Its number is the next one that is no other application's uid. Null when the uid is taken, or is
   * the number of an application: `applicationFind` finds the same one by a reference as long as it is there.
   */
  applicationInsert(params: NewApplication): Promise<Application | null>;
  /** By `app_…` id, else by uid, else by number (`1`). */
  applicationFind(params: { ref: string }): Promise<Application | null>;
  applicationFindByNumber(params: { number: number }): Promise<Application | null>;
  applicationFindByKey(params: { applicationKey: number }): Promise<Application | null>;

  /**
   * Inserts an endpoint. Its `webHookId` is made here: the company number and the first second, from `now` on, that
   * comes after those of all web hooks the company ever had. `limit` bounds the application's live endpoints.
   */
  endpointInsert(params: NewEndpoint & { limit: number }): Promise<Endpoint | 'limit' | 'uid_taken'>;
  /** All live endpoints of an application, oldest first. */
  endpointList(params: { applicationKey: number }): Promise<Endpoint[]>;
  /** A live endpoint by its key, with the application's. */
  endpointFindByKey(params: { endpointKey: number }): Promise<Endpoint | null>;
  /** Changes the named fields of a live endpoint. Null when there is none. */
  endpointUpdate(params: {
    applicationKey: number;
    endpointKey: number;
    now: number;
    changes: EndpointChanges;
  }): Promise<Endpoint | 'uid_taken' | null>;
  /** Marks it deleted: it is found no more. Its deliveries stay, see `deliveryCancel`. False when there was none. */
  endpointDelete(params: { applicationKey: number; endpointKey: number; now: number }): Promise<boolean>;

  /** Adds the event types whose names are not there yet. Returns how many. */
  eventTypeInsertMissing(params: { eventTypes: readonly EventType[] }): Promise<number>;
  eventTypeFind(params: { name: string }): Promise<EventType | null>;
  /** All that are not archived, in the order they were added. */
  eventTypeList(): Promise<EventType[]>;

  /** Adds a key. False when another live key has its hash. */
  keyInsert(params: Key): Promise<boolean>;
  keyFind(params: { hash: Buffer }): Promise<Key | null>;
  /** Live (not revoked) keys of that name, oldest first. */
  keyList(params: { name: string }): Promise<Key[]>;
  keyRevoke(params: { id: string; now: number }): Promise<boolean>;

  /**
   * Takes many publishes in one transaction. Each is taken whole or not at all; one refused does not hurt the others.
   * A held delivery gets the reason `endpoint_disabled`.
   */
  messageAccept(params: {
    publishes: readonly Publish[];
    fence: number;
    now: number;
  }): Promise<PublishResult[]>;
  /** By `msg_…` id, else by eventId. */
  messageFind(params: { applicationKey: number; ref: string }): Promise<Message | null>;
  /**
   * Newest first; `before` and `after` bound the id, both exclusive. With `after` alone, the messages next to it.
   * `payloadCharacters` bounds the payloads, counted from where the page begins: it ends with the first message that has no
   * room left (never the first of all), so that the caller sees that there is more.
   */
  messageList(params: {
    applicationKey: number;
    limit: number;
    before: string | null;
    after: string | null;
    withPayload: boolean;
    payloadCharacters?: number;
  }): Promise<Message[]>;

  /**
   * Leases pending deliveries that are due at `dueBy`, earliest first, with their messages: for each of `lanes` up to so
   * many deliveries and characters of payload, and up to `characters` over all of them. The first delivery of a call, and
   * of each lane that the call gets to, is taken whatever its size. Answers in the order of `lanes`; `nextDueAt`: when the
   * first of those left pending is due, null when none is left.
   */
  deliveryClaimDue(params: {
    lanes: readonly LaneClaim[];
    characters: number;
    dueBy: number;
    fence: number;
  }): Promise<{ claimed: LeasedDelivery[]; nextDueAt: number | null }[]>;
  /** Gives leases back: pending, due when they were. Returns how many of them still held. */
  deliveryUnlease(params: { leases: readonly Lease[] }): Promise<number>;
  /** Per endpoint with pending deliveries: when the first is due. Cost grows with endpoints, not with deliveries. */
  deliveryBacklog(): Promise<Backlog[]>;
  /** Makes pending what is leased under a fence below `before`. Returns how many. */
  deliveryRelease(params: { before: number }): Promise<number>;
  /** Cancels up to `limit` open (pending, sending, held) deliveries of an endpoint. Returns how many. */
  deliveryCancel(params: { endpointKey: number; reason: 'endpoint_deleted'; limit: number }): Promise<number>;
  /**
   * Writes attempts and what they did to their deliveries. Says for each whether its fence still held. Where it did not,
   * the attempt is written and the delivery's state stays, but for one case: a delivery that was cancelled while it was
   * under way, and arrived, has succeeded.
   */
  deliveryRecord(params: { results: readonly AttemptResult[] }): Promise<boolean[]>;
  deliveryList(params: {
    messageKey: number;
  }): Promise<(Delivery & { endpoint: Endpoint; endpointDeleted: boolean })[]>;
  /** Deliveries by state, from an index: what is open now. */
  deliveryCountOpen(): Promise<Record<Extract<DeliveryState, 'pending' | 'sending' | 'held'>, number>>;

  /** A message's attempts, newest first. */
  attemptListByMessage(params: { messageKey: number } & AttemptPage): Promise<ListedAttempt[]>;
  /** An endpoint's attempts, newest first. */
  attemptListByEndpoint(params: { endpointKey: number } & AttemptPage): Promise<ListedAttempt[]>;

  /** Deletes idempotency keys made before `before`, at most `limit`. Returns how many. */
  idempotencyPurge(params: { before: number; limit: number }): Promise<number>;

  /** Keeps the id of the master key the first time. False when another one's was kept: the secrets could not be opened. */
  masterKeyKeep(params: { id: number }): Promise<boolean>;

  /** Resolves when reads and writes work; rejects with the reason otherwise. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface NewApplication {
  id: string;
  uid: string | null;
  name: string;
  throttleRate: number | null;
  metadata: Readonly<Record<string, string>>;
  now: number;
}

export interface NewEndpoint {
  applicationKey: number;
  id: string;
  uid: string | null;
  url: string;
  href: string;
  description: string;
  disabled: boolean;
  eventTypes: readonly string[] | null;
  channels: readonly string[] | null;
  throttleRate: number | null;
  metadata: Readonly<Record<string, string>>;
  headers: Readonly<Record<string, string>>;
  sealedSecret: Buffer;
  now: number;
}

export type EndpointChanges = Partial<Omit<NewEndpoint, 'applicationKey' | 'id' | 'now'>>;

/** One publish call: one message, or a batch that is taken whole. */
export interface Publish {
  readonly applicationKey: number;
  readonly messages: readonly NewMessage[];
  /** SHA-256 of who asked, the key and the call; and of the body. */
  readonly idempotency: { readonly keyHash: Buffer; readonly bodyHash: Buffer } | null;
}

export type PublishResult =
  /** The messages' keys, in their order. */
  | { readonly kind: 'accepted'; readonly messageKeys: readonly number[] }
  /** The same key and body came before: the ids it was answered with then. */
  | { readonly kind: 'replayed'; readonly messageIds: readonly string[] }
  | { readonly kind: 'idempotency_mismatch' }
  | { readonly kind: 'event_id_taken'; readonly eventId: string };

export interface LaneClaim {
  readonly endpointKey: number;
  readonly deliveries: number;
  readonly characters: number;
}

export interface Backlog {
  readonly endpointKey: number;
  readonly nextDueAt: number;
}

export interface AttemptResult {
  readonly lease: Lease;
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /** With a `pending` verdict: the lease is kept, the retry waits in memory; the row says `sending`. */
  readonly keepLease: boolean;
}

export interface AttemptPage {
  limit: number;
  /** Attempt ids, exclusive. */
  before: string | null;
  after: string | null;
}

export interface ListedAttempt extends Attempt {
  readonly messageId: string;
  readonly endpointId: string;
}

/** What went wrong below the port. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * `unavailable`: for now (disk full, database away); nothing was written. `unknown`: the commit's outcome is not known.
 * `broken`: do not go on (a failed fsync, a corrupt file). `incompatible`: a schema newer than this program.
 */
export type StoreErrorCode = 'unavailable' | 'unknown' | 'broken' | 'incompatible' | 'locked';
