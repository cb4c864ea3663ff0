import type { Signal, Stopped } from '../store.ts';
import { storedSignals } from './stored-signals.ts';

/** What the memory of other processes has to follow. `resends`: leased resends of what is dropped are void as well. */
export function stoppedSignals({ dropped, stored }: Stopped, { resends }: { resends: boolean }): Signal[] {
  const waiting = new Map(stored.map(({ endpointKey, dueAt }) => [endpointKey, dueAt]));
  const drops: Signal[] = dropped.length > 0 ? [{ kind: 'dropped', deliveries: dropped, resends }] : [];
  return [...drops, ...storedSignals(waiting)];
}
