import type { DeliveryState } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { firstIdAt } from '../model/id.ts';
import type { TaskFilter, TaskKind } from '../model/task.ts';
import type { MessageFilter } from '../store/store.ts';

/** What a person asks to be sent again, or to be counted before that. */
export interface ReplayAsked {
  readonly kind: Extract<TaskKind, 'recover' | 'replay' | 'replay-missing'>;
  /** The endpoint whose deliveries are looked at, and the one that they go to. */
  readonly source: Endpoint;
  readonly target: Endpoint;
  /** Of `recover` and `replay`; without states, a replay is about what succeeded, failed or is held. */
  readonly filter: TaskFilter;
  /** Messages made from then to then, ms since the Unix epoch. */
  readonly from: number;
  readonly to: number;
  /** Deliveries a second, at most, that are let go; `TASK_RATE.usual` when left out. */
  readonly rate?: number | undefined;
}

/** A message's id is at most this much later than `createdAt`: ids count in 4 ms. */
const ID_STEP_MS = 4;

const RECOVERED: readonly DeliveryState[] = ['failed', 'held'];
const REPLAYED: readonly DeliveryState[] = ['succeeded', 'failed', 'held'];

/** The ids of messages made from a time to another: from the first on, and below the second. */
export function messageIds({ from, to }: { from: number; to: number }): { from: string; to: string } {
  return { from: firstIdAt('msg', from), to: firstIdAt('msg', to + ID_STEP_MS) };
}

/** What the task is stored with. A replay of what was missed goes by the filters that the endpoint has now. */
export function taskFilter({ kind, source, filter }: ReplayAsked): TaskFilter {
  if (kind === 'recover') return { states: RECOVERED };
  if (kind === 'replay') return { ...filter, states: filter.states ?? REPLAYED };
  const { eventTypes, channels } = source;
  return { ...(eventTypes !== null && { eventTypes }), ...(channels !== null && { channels }) };
}

/** The messages that the task is about. */
export function messageFilter(asked: ReplayAsked): MessageFilter {
  const filter = taskFilter(asked);
  const { key } = asked.source;
  return asked.kind === 'replay-missing' ? { ...filter, missingFor: key } : { ...filter, endpointKey: key };
}
