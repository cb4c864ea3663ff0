import { SIGNAL_ENDPOINTS } from '../../limits.ts';
import type { Signal } from '../store.ts';

/** Of what waits in the store now: endpoints, and when the first of it is due. */
export function storedSignals(waiting: ReadonlyMap<number, number>): Signal[] {
  if (waiting.size === 0) return [];
  if (waiting.size > SIGNAL_ENDPOINTS) return [{ kind: 'look' }];
  const endpoints = Array.from(waiting, ([endpointKey, dueAt]) => ({ endpointKey, dueAt }));
  return [{ kind: 'stored', endpoints }];
}
