import type {
  Announcement,
  AttemptAnnouncementType,
  NewEndpointAnnouncement,
} from '../model/announcement.ts';
import type { Application } from '../model/application.ts';
import type { Attempt } from '../model/attempt.ts';
import type { Delivery, DeliveryReason, DeliveryState, HeldReason, Verdict } from '../model/delivery.ts';
import type { DisabledReason, Endpoint, Ordering } from '../model/endpoint.ts';
import type { EventType } from '../model/event-type.ts';
import type { Key, KeySlot } from '../model/key.ts';
import type { Lease, LeasedDelivery } from '../model/lease.ts';
import type { Message, NewMessage } from '../model/message.ts';
import type { RetryChoice } from '../model/retry-schedule.ts';
import type { NewTask, Task, TaskKind, TaskState } from '../model/task.ts';

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
  /** The application with number 0, whose endpoints get the operational webhooks; made when there is none. No list has it, and only its id finds it. */
  applicationOperational(params: { id: string; now: number }): Promise<Application>;
  /** By `app_…` id, else by uid, else by number (`1`). */
  applicationFind(params: { ref: string }): Promise<Application | null>;
  applicationFindByNumber(params: { number: number }): Promise<Application | null>;
  applicationFindByKey(params: { applicationKey: number }): Promise<Application | null>;
  /** The highest number that any application ever had; 0: there never was one. */
  applicationLastNumber(): Promise<number>;
  /** Live applications by id, which is by creation, ascending; `before` and `after` as in `AttemptPage`. */
  applicationList(params: {
    limit: number;
    before: string | null;
    after: string | null;
    /** With no bound: the newest of them instead of the oldest, still ascending. */
    fromEnd: boolean;
  }): Promise<Application[]>;
  /** Changes the named fields of a live application; the uid as in `applicationInsert`. Null when there is none. */
  applicationUpdate(params: {
    applicationKey: number;
    now: number;
    changes: ApplicationChanges;
  }): Promise<Application | 'uid_taken' | null>;
  /**
   * Marks it, its endpoints and its keys as gone: they are found no more; the uids are free, the number is never given
   * again. Returns the endpoints' keys, whose open deliveries `deliveryWithdraw` then cancels. Null when there was none.
   */
  applicationDelete(params: {
    applicationKey: number;
    now: number;
  }): Promise<{ endpointKeys: number[] } | null>;

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

  /** Adds the event types whose names are not there yet. Returns how many. */
  eventTypeInsertMissing(params: { eventTypes: readonly EventType[] }): Promise<number>;
  /** Adds one, or overwrites an archived one of that name, which keeps its place and its `createdAt`. */
  eventTypeInsert(params: { eventType: EventType; limit: number }): Promise<EventType | 'exists' | 'limit'>;
  /** Changes the named fields, also of an archived one. Null when there is none. */
  eventTypeUpdate(params: {
    name: string;
    now: number;
    changes: EventTypeChanges;
  }): Promise<EventType | null>;
  /** Removes it altogether. False when there was none. */
  eventTypeDelete(params: { name: string }): Promise<boolean>;
  /** All, archived ones too, in the order they were added. */
  eventTypeList(): Promise<EventType[]>;

  /** Adds a key. False when another live key has its hash. */
  keyInsert(params: Key): Promise<boolean>;
  /** A live key. What is expired is live until it is revoked or purged: whoever asks looks at `expiresAt`. */
  keyFind(params: { hash: Buffer }): Promise<Key | null>;
  keyFindById(params: { id: string }): Promise<Key | null>;
  /** The live keys of that setting, oldest first. */
  keyListBySlot(params: { slot: KeySlot }): Promise<Key[]>;
  /** Live keys by id, ascending: of one application, of operators (null), or all (undefined). */
  keyList(params: {
    applicationKey?: number | null | undefined;
    limit: number;
    before: string | null;
    after: string | null;
  }): Promise<Key[]>;
  keyRevoke(params: { id: string; now: number }): Promise<boolean>;
  /**
   * Adds `replacement` and lets the live key `id` expire at `expiresAt`, unless it does so earlier; its `slot` goes to the
   * replacement, and its `replacedBy` names that. False when there is no such key.
   */
  keyRotate(params: { id: string; replacement: Key; expiresAt: number }): Promise<boolean>;
  /** Notes when keys were last used. Never sets one back. */
  keyTouch(params: { uses: readonly { readonly id: string; readonly at: number }[] }): Promise<void>;
  /** Deletes keys that expired or were revoked before `before`, at most `limit`. Returns how many. */
  keyPurge(params: { before: number; limit: number }): Promise<number>;

  /**
   * Takes many publishes in one transaction. Each is taken whole or not at all; one refused does not hurt the others.
   * A delivery of a message with `deliverAt` is due then. An ordered one whose turn it is not has no time yet.
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
   * With a filter, at most `scan` rows are looked at: see `Scanned`. `payloadCharacters` bounds the payloads, counted from where the page begins: it ends with the first message that has no
   * room left (never the first of all), so that the caller sees that there is more.
   */
  messageList(params: {
    applicationKey: number;
    limit: number;
    before: string | null;
    after: string | null;
    withPayload: boolean;
    payloadCharacters?: number;
    filter?: MessageFilter;
    scan?: number;
  }): Promise<Scanned<Message>>;
  /** Counts the messages with ids from `from` and below `to` that a filter picks, of which at most `scan` are looked at. */
  messageCount(params: {
    applicationKey: number;
    filter: MessageFilter;
    from: string;
    to: string;
    scan: number;
  }): Promise<{ count: number; scanned: number; scannedTo: string | null }>;
  /**
   * Expunges the payloads of these messages, in their order, and cancels their open deliveries and resends
   * (`payload_expunged`), in one transaction. It ends with the message, at the earliest the first, with which `scan`
   * deliveries were looked at: `expunged` says how many messages are done.
   */
  messageExpunge(params: {
    messageKeys: readonly number[];
    now: number;
    scan?: number;
  }): Promise<Stopped & { expunged: number }>;
  /**
   * Messages whose payload's time is over: those with a `payloadUntil` up to `now`, and those made before `keptSince`, at
   * most `limit`. What was expunged is not named again, and costs no look again.
   */
  messageListExpired(params: { now: number; keptSince: number; limit: number }): Promise<number[]>;

  /**
   * Leases pending deliveries that are due at `dueBy`, earliest first, with their messages: for each of `lanes` up to so
   * many deliveries and characters of payload, and up to `characters` over all of them. The first delivery of a call, and
   * of each lane that the call gets to, is taken whatever its size. A lane's waiting resends go first, in the order they
   * were asked for: they are due whatever the clock says, and their time is 0. What is due and expired by `dueBy` is cancelled
   * (`expired`), at most as many as the lane may have deliveries or 64, if that is more, and not claimed: its payload is not read
   * and counts for nothing. Resends never expire. Answers in the order of
   * `lanes`; `nextDueAt`: when the first of those left pending is due, null when none is left.
   */
  deliveryClaimDue(params: {
    lanes: readonly LaneClaim[];
    characters: number;
    dueBy: number;
    fence: number;
  }): Promise<{ claimed: LeasedDelivery[]; nextDueAt: number | null }[]>;
  /**
   * Gives leases back: pending, due when they were; whoever of a line gets the turn by it is due `now`. Returns how many of them
   * still held.
   */
  deliveryUnlease(params: { leases: readonly Lease[]; now: number }): Promise<number>;
  /** Per endpoint with pending deliveries or resends: when the first is due. Cost grows with endpoints, not with deliveries. */
  deliveryBacklog(): Promise<Backlog[]>;
  /**
   * Endpoints that take nothing and have deliveries to withdraw that no backlog shows: of deleted ones what is held, of disabled and
   * paused ones too what waits behind another. Cost grows with endpoints.
   */
  deliveryOrphans(): Promise<number[]>;
  /** Makes pending what is leased under a fence below `before`, resends too; lines as in `deliveryUnlease`. Returns how many. */
  deliveryRelease(params: { before: number; now: number }): Promise<number>;
  /**
   * Takes back up to `limit` deliveries of an endpoint that takes none: those of a deleted one (pending, sending, held)
   * are cancelled and its resends removed, those of a disabled or paused one that are pending are held, whatever they wait for.
   * Another's stay. Returns how many.
   */
  deliveryWithdraw(params: { endpointKey: number; limit: number }): Promise<number>;
  /**
   * Writes attempts and what they did to their deliveries; of one that comes again, nothing that is on record is written and
   * nothing announced a second time. Says for each whether its fence still held. Where it did not,
   * the attempt is written and the delivery's state stays, but for one case: a delivery that was cancelled or held while
   * it was under way, and arrived, has succeeded.
   * A resend's row goes. When it arrived, its delivery has succeeded whatever it was, and a lease on that is void; when not,
   * the delivery stays as it is.
   * When an ordered delivery ends so that it no longer stands before others, the next one of its key gets its time: `now`, or its
   * message's `deliverAt`.
   */
  deliveryRecord(params: {
    results: readonly AttemptResult[];
    now: number;
    failing?: readonly EndpointFailingChange[];
  }): Promise<boolean[]>;
  /**
   * Cancels deliveries that are pending, sending or held, and their resends (which do not expire). With `failedToo`, failed ones as well.
   * Leaves others as they are. Returns which were cancelled, and what that leads to.
   */
  deliveryCancel(params: {
    deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[];
    reason: Extract<DeliveryReason, 'cancelled' | 'skipped' | 'expired'>;
    failedToo?: boolean;
    now: number;
  }): Promise<Stopped & { cancelled: { messageKey: number; endpointKey: number }[] }>;
  /**
   * Makes a delivery due at once: one that is pending, or waits in memory for its retry, goes on where it is in its schedule; one
   * that failed or is held begins it again. `under_way`: it is sent right now; `behind`: it is ordered, and an older one, the first
   * of its line, stands before it; `ended`: it succeeded or was cancelled; `expunged`: there is no payload; null: there is no such
   * delivery. In all of these it stays as it is.
   */
  deliveryHurry(params: { messageKey: number; endpointKey: number; now: number }): Promise<Hurried | null>;
  /**
   * Cancels what is pending or held of messages that expired up to `now` and were not looked at before, at most `limit` messages.
   * What is under way stays: whoever sends it ends it. A message that has some is looked at again a minute later, as it may come
   * back. The call ends with the message with which `scan` deliveries were looked at, or within it: those that are cancelled
   * count several times.
   * `messages` says how many are done, and `more` that another call may find more.
   */
  deliveryExpire(params: {
    now: number;
    limit: number;
    scan: number;
  }): Promise<Stopped & { messages: number; more: boolean }>;
  /** The older delivery that an ordered one waits behind, with its message's id; null: none. */
  deliveryBefore(params: {
    messageKey: number;
    endpointKey: number;
  }): Promise<(Delivery & { readonly messageId: string }) | null>;
  /** The first that stands in a line (pending, sending, failed or held), with its message's id; null: none does. */
  deliveryFirst(params: {
    endpointKey: number;
    orderKey: string;
  }): Promise<(Delivery & { readonly messageId: string }) | null>;
  /** A message's deliveries by endpoint, oldest endpoint first: those after, or the last before, an endpoint's key. */
  deliveryList(params: {
    messageKey: number;
    limit: number;
    before: number | null;
    after: number | null;
  }): Promise<EndpointDelivery[]>;
  /** The deliveries of these messages to one endpoint, as far as they exist, in no order. */
  deliveryFind(params: { endpointKey: number; messageKeys: readonly number[] }): Promise<Delivery[]>;
  /**
   * Asks for a resend: one attempt beside the schedule. One that waits already serves for both; one that is leased does not,
   * as it may end before whatever the second was asked for. `limit` bounds those of the endpoint, leased ones too.
   * `expunged`: the message has no payload any more.
   */
  resendInsert(params: {
    messageKey: number;
    endpointKey: number;
    now: number;
    limit: number;
  }): Promise<'waits' | 'limit' | 'expunged'>;
  /**
   * Deliveries by state, from an index: what is open now, over all endpoints or of one. Of each state up to `limit`. With `now`,
   * retries that wait in memory count as pending, and not as sending.
   */
  deliveryCountOpen(params: {
    endpointKey?: number;
    limit?: number;
    now?: number;
  }): Promise<Record<Extract<DeliveryState, 'pending' | 'sending' | 'held'>, number>>;

  /** The attempts of a message or of an endpoint, newest first. With a filter, at most `scan` rows are looked at. */
  attemptList(
    params: ({ messageKey: number } | { endpointKey: number }) &
      AttemptPage & { filter?: AttemptFilter; scan?: number },
  ): Promise<Scanned<ListedAttempt>>;
  /** Of a message's attempts below `before` the newest for each of these endpoints; at most `scan` are looked at. */
  attemptLatest(params: {
    messageKey: number;
    endpointKeys: readonly number[];
    before: string | null;
    scan: number;
  }): Promise<Scanned<ListedAttempt>>;
  attemptFind(params: { messageKey: number; id: string }): Promise<ListedAttempt | null>;
  /** Replaces what came back (body and headers) by `EXPUNGED`. False when there is no such attempt. */
  attemptExpunge(params: { messageKey: number; id: string }): Promise<boolean>;
  /** Counts an endpoint's attempts with ids from `from` and below `to`, of which at most `scan` are looked at. */
  attemptCount(params: { endpointKey: number; from: string; to: string; scan: number }): Promise<{
    succeeded: number;
    failed: number;
    /** The last id looked at, when there are more; null: all were counted. */
    scannedTo: string | null;
  }>;

  /**
   * Begins a task. The limits bound the running ones of the source endpoint (`limit`) and of the application (`application_limit`).
   * One with `heldFor` that runs already begins from its start again, as by `endpointUpdate`, and is returned whatever the limits.
   */
  taskInsert(
    params: NewTask & { limit: number; applicationLimit: number },
  ): Promise<Task | 'limit' | 'application_limit'>;
  taskFind(params: { id: string }): Promise<Task | null>;
  /** By id, ascending or with `descending` the newest first; `before` and `after` bound the id, both exclusive. */
  taskList(params: {
    /** Null: of all applications. */
    applicationKey: number | null;
    kinds?: readonly TaskKind[];
    states?: readonly TaskState[];
    limit: number;
    before: string | null;
    after: string | null;
    /** With no bound, or with both: the newest of them instead of the oldest, still ascending. */
    fromEnd: boolean;
  }): Promise<Task[]>;
  /** Those that run, oldest first. */
  taskListRunning(): Promise<Task[]>;
  /**
   * Goes on with a task over the next `scan` messages of its range (of `release` and `discard`: deliveries that are held, of messages up to `to`), and lets
   * go at most `most` deliveries of them. Those that are sent begin their schedule anew, due from `now` (or their message's
   * `deliverAt`) on in steps of `1000 / rate` ms; where the target had none of the message, one is made. What is open at the
   * target, has no payload any more or expired stays as it is, and so does what an ordered endpoint has under way. Finished after the
   * last message; failed when source or target is gone. While the target takes nothing, a task that sends does nothing and says
   * why. Null when it does not run any more.
   */
  taskStep(params: {
    id: string;
    now: number;
    scan: number;
    most: number;
  }): Promise<(Stopped & { task: Task }) | { waits: HeldReason } | null>;
  /** Null when it does not run any more. */
  taskCancel(params: { id: string; now: number }): Promise<Task | null>;
  /** Deletes tasks that ended before `before`, at most `limit`. Returns how many. */
  taskPurge(params: { before: number; limit: number }): Promise<number>;

  /** What is yet to be told, oldest first. */
  announcementList(params: { limit: number }): Promise<Announcement[]>;
  announcementDelete(params: { keys: readonly number[] }): Promise<void>;

  /** The answer to an earlier call under this idempotency key (`messageAccept` has its own). */
  answerFind(params: { keyHash: Buffer }): Promise<KeptAnswer | null>;
  /** Keeps an answer. One that is there already stays. */
  answerInsert(params: KeptAnswer & { keyHash: Buffer; now: number }): Promise<void>;
  /** What a publish under this idempotency key gets that comes again; null: none came. */
  idempotencyFind(
    params: NonNullable<Publish['idempotency']>,
  ): Promise<Extract<PublishResult, { kind: 'replayed' | 'idempotency_mismatch' }> | null>;
  /** Deletes idempotency keys and answers made before `before`, at most `limit` of each. Returns how many at the most of one. */
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

export type ApplicationChanges = Partial<Omit<NewApplication, 'id' | 'now'>>;

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

export type EventTypeChanges = Partial<Omit<EventType, 'name' | 'createdAt' | 'updatedAt'>>;

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
  /** With what its delivery is ordered by. */
  readonly lease: Lease & { readonly orderKey: string | null };
  readonly attempt: Attempt;
  readonly verdict: Verdict;
  /**
   * Operators are told, when the lease still holds. `message.attempt.recovered` only when they were told before that it fails
   * (`LeasedDelivery.announced`, which is set by the two others).
   */
  readonly announce: { readonly type: AttemptAnnouncementType; readonly applicationKey: number } | null;
  /** It may be on record: the commit before this one ended so that nobody knows. */
  readonly again?: boolean;
  /** With a `pending` verdict: the lease is kept, the retry waits in memory; the row says `sending`. */
  readonly keepLease: boolean;
}

export interface AttemptPage {
  limit: number;
  /** Ids, exclusive. With `after` alone: the rows next to it. */
  before: string | null;
  after: string | null;
}

/**
 * A page of rows that were picked by a filter. There is no index for every filter, so that a call looks at a bounded number
 * of rows and says how far it came: the next call goes on from there.
 */
export interface Scanned<Row> {
  readonly rows: Row[];
  /** The id of the last row looked at, when the bound ended the call; null when the page is full or the list ended. */
  readonly scannedTo: string | null;
}

/** What a message must be like; what is left out does not matter. */
export interface MessageFilter {
  /** One of these; `ticket.*` for all that begin with `ticket.`. */
  readonly eventTypes?: readonly string[];
  readonly channel?: string;
  /** It has one of these. */
  readonly channels?: readonly string[];
  readonly tag?: string;
  /** It has a delivery to this endpoint; `states` and `statusClass` then speak of that. */
  readonly endpointKey?: number;
  /** It has no delivery to this endpoint. */
  readonly missingFor?: number;
  /** Only beside `endpointKey`: the last attempt was answered from this status on and below 100 more; 0: not at all. */
  readonly statusClass?: number;
  /** Whether it has any delivery. */
  readonly matched?: boolean;
  /** It has a delivery in one of these states. */
  readonly states?: readonly DeliveryState[];
  /** Its id, event id, event type or a tag is this text, or its payload contains it, as it is or in a spelling of
   * JSON (`model/json-spellings.ts`); case counts. */
  readonly text?: string;
}

/** What an attempt must be like. The last four speak of its message and its endpoint. */
export interface AttemptFilter {
  readonly succeeded?: boolean;
  /** 100: 100 to 199, and so on; 0: no answer came. */
  readonly statusClass?: number;
  readonly eventTypes?: readonly string[];
  readonly channel?: string;
  readonly tag?: string;
  readonly endpointKey?: number;
}

/** A delivery with the endpoint it goes to, which may have been deleted since. */
export interface EndpointDelivery extends Delivery {
  readonly endpoint: Endpoint;
  readonly endpointDeleted: boolean;
}

/** What a change stopped or set free, for memory to follow. */
export interface Stopped {
  /** Deliveries that were leased and are no longer: memory drops them. */
  readonly dropped: readonly { readonly messageKey: number; readonly endpointKey: number }[];
  /** Endpoints for which something waits in the store now, and from when on. */
  readonly stored: readonly { readonly endpointKey: number; readonly dueAt: number }[];
}

/** What became of a delivery that somebody did not want to wait for. */
export type Hurried =
  | (Stopped & { readonly state: 'due' })
  | { readonly state: 'under_way' | 'ended' | 'expunged' }
  | {
      readonly state: 'behind';
      readonly before: { readonly messageId: string; readonly state: DeliveryState };
    };

export interface EndpointFailing {
  readonly endpointKey: number;
  /** The first failure after the last success, ms since the Unix epoch. */
  readonly since: number;
  /** When operators were told that it will be disabled; null: not yet. */
  readonly warnedAt: number | null;
}

/** Null: it works again. */
export type EndpointFailingChange =
  | (EndpointFailing & {
      readonly announcements?: readonly (NewEndpointAnnouncement & { applicationKey: number })[];
    })
  | { readonly endpointKey: number; readonly since: null };

export interface KeptAnswer {
  /** SHA-256 of the body that was answered. */
  readonly bodyHash: Buffer;
  /** Encrypted: an answer can hold a key. */
  readonly sealed: Buffer;
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
