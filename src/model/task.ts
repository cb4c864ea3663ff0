import type { DeliveryState, HeldReason } from './delivery.ts';

/**
 * What people ask to happen to many deliveries. It goes on in the background, in steps, over a restart too.
 *
 *     running ──┬─► finished
 *               ├─► cancelled (by a person)
 *               └─► failed (the endpoint was deleted)
 *
 * While its endpoint is disabled or paused, a running task that sends waits.
 */
export type TaskState = 'running' | 'finished' | 'cancelled' | 'failed';

/**
 * - `recover`: what failed or is held for an endpoint, again to it.
 * - `replay`: what a filter picks of an endpoint's deliveries, to it or to another endpoint.
 * - `replay-missing`: messages that the endpoint wants by its filters, and never had a delivery of.
 * - `release`, `discard`: what is held for an endpoint is sent, or cancelled.
 */
export type TaskKind = 'recover' | 'replay' | 'replay-missing' | 'release' | 'discard';

/** Which messages a task is about; what is left out does not matter. `release` and `discard` know nothing of it but `heldFor`: they take all that is held, or what is held for that reason. */
export interface TaskFilter {
  /** Names, or `ticket.*`. */
  readonly eventTypes?: readonly string[];
  /** The message has one of these. */
  readonly channels?: readonly string[];
  readonly tag?: string;
  /** Of `recover` and `replay`: the states that the deliveries to `sourceKey` are in. */
  readonly states?: readonly DeliveryState[];
  /** Of `replay`: the last answer had a status from this on and below 100 more; 0: no answer came. */
  readonly statusClass?: number;
  /** Of `release` and `discard`. */
  readonly heldFor?: HeldReason;
}

export interface NewTask {
  /** `qtask_…` */
  readonly id: string;
  readonly kind: TaskKind;
  readonly applicationKey: number;
  /** The endpoint whose deliveries are looked at. */
  readonly sourceKey: number;
  /** The endpoint that they go to. */
  readonly targetKey: number;
  readonly filter: TaskFilter;
  /** Message ids: from the first on, and below the second. */
  readonly from: string;
  readonly to: string;
  /** Deliveries a second, at most, that are let go. */
  readonly rate: number;
  readonly now: number;
}

export interface Task extends Omit<NewTask, 'now'> {
  readonly state: TaskState;
  /** Messages looked at so far, and deliveries of them that are sent again (or were cancelled). */
  readonly scanned: number;
  readonly affected: number;
  /** Where the next step begins: a message's id. */
  readonly position: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}
