import type { Signal, Stopped } from '../store.ts';
import { storedSignals } from './stored-signals.ts';

/** What the memory of other processes has to follow. */
export function stoppedSignals({ dropped, stored }: Stopped): Signal[] {
  const waiting = new Map(stored.map(({ endpointKey, dueAt }) => [endpointKey, dueAt]));
  const drops: Signal[] = dropped.length > 0 ? [{ kind: 'dropped', leases: dropped }] : [];
  return [...drops, ...storedSignals(waiting)];
}
