import type { DeliveryState } from '../model/delivery.ts';
import type { Task } from '../model/task.ts';
import type { MessageFilter } from './port/messages.ts';

/** How far a task's walk came, and over what. */
export interface Walk {
  readonly walked: readonly Walked[];
  /** Where the next walk begins; null: this came to the end. */
  readonly next: string | null;
}

export interface Walked {
  readonly messageKey: number;
  readonly wanted: boolean;
}

/** At most: rows to look at, and wanted ones to find. */
export interface WalkBounds {
  readonly scan: number;
  readonly most: number;
}

/** By which a task that sends again picks messages. */
export function taskFilter(task: Task): MessageFilter {
  const { kind, filter, sourceKey, targetKey } = task;
  if (kind === 'replay-missing') return { ...filter, missingFor: targetKey };
  return { ...filter, endpointKey: sourceKey, states: taskStates(task) };
}

/** What the deliveries that a task sends again are in, at the endpoint that it looks at. */
export function taskStates({ kind, filter }: Task): readonly DeliveryState[] {
  if (kind === 'release' || kind === 'discard') return ['held'];
  if (kind === 'replay-missing') return [];
  return filter.states ?? (kind === 'recover' ? ['failed', 'held'] : USUALLY_REPLAYED);
}

/** All that is not open, but for what somebody did not want to be sent, or was too old for it. */
const USUALLY_REPLAYED = ['succeeded', 'failed', 'held'] as const;
