import type { AnnouncementStore } from './port/announcements.ts';
import type { AnswerStore } from './port/answers.ts';
import type { ApplicationStore } from './port/applications.ts';
import type { AttemptStore } from './port/attempts.ts';
import type { DeliveryStore } from './port/deliveries.ts';
import type { EndpointStore } from './port/endpoints.ts';
import type { EventTypeStore } from './port/event-types.ts';
import type { KeyStore } from './port/keys.ts';
import type { LeaseStore } from './port/leases.ts';
import type { MessageStore } from './port/messages.ts';
import type { NodeStore } from './port/nodes.ts';
import type { SessionStore } from './port/sessions.ts';
import type { TallyStore } from './port/tallies.ts';
import type { TaskStore } from './port/tasks.ts';

export type { KeptAnswer } from './port/answers.ts';
export type { ApplicationChanges, NewApplication } from './port/applications.ts';
export type { AttemptFilter, AttemptPage, ListedAttempt } from './port/attempts.ts';
export type {
  AttemptResult,
  BacklogCount,
  EndpointDelivery,
  Hurried,
  Recorded,
  Stopped,
} from './port/deliveries.ts';
export type {
  EndpointChanges,
  EndpointFailing,
  EndpointFailingChange,
  NewEndpoint,
} from './port/endpoints.ts';
export type { EventTypeChanges } from './port/event-types.ts';
export type { Backlog, LaneClaim } from './port/leases.ts';
export type { MessageFilter, MessageRef, Publish, PublishResult } from './port/messages.ts';
export type { EndedNode, NodeInfo, NodeLease, NodeView, Signal } from './port/nodes.ts';
export type { Scanned } from './port/pages.ts';
export type { TallyOwner, TimedTally } from './port/tallies.ts';

/**
 * The store's port: what the rooms ask of a database. Every driver passes `test/contract/store.ts`.
 *
 * Each write is one transaction and durable when its promise resolves. A rejected promise means that nothing of it
 * was written, except `StoreError` with `code` `unknown`: then it may have been. All times are ms since the Unix epoch.
 */
export interface Store
  extends ApplicationStore,
    EndpointStore,
    EventTypeStore,
    KeyStore,
    SessionStore,
    MessageStore,
    LeaseStore,
    DeliveryStore,
    AttemptStore,
    TallyStore,
    TaskStore,
    AnnouncementStore,
    AnswerStore,
    NodeStore {
  /** Keeps the id of the master key the first time. False when another one's was kept: the secrets could not be opened. */
  masterKeyKeep(params: { id: number }): Promise<boolean>;

  /** Resolves when reads and writes work; rejects with the reason otherwise. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** A numbered change of the schema. */
export interface Migration {
  /** From 1. */
  readonly number: number;
  /** `001-first.sql` */
  readonly name: string;
}

export interface SchemaState {
  /** The version of the store's schema; 0: there is none. */
  readonly present: number;
  /** That of this program. */
  readonly known: number;
  /** What leads from the one to the other. */
  readonly pending: readonly Migration[];
}

/** A node as its store's table has it. */
export interface ListedNode {
  readonly epoch: number;
  readonly name: string;
  /** ms since the Unix epoch, by the store's clock. */
  readonly startedAt: number;
  readonly beatAt: number;
  /** Its setting, within milliseconds; null: it left. */
  readonly leaseMs: number | null;
  /**
   * `silent`: its lease is over, and nobody has ended it yet. `ended`: others ended it then, and release what it had leased. `left`:
   * it ended by itself.
   */
  readonly state: 'live' | 'silent' | 'ended' | 'left';
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
