import type { Lease } from '../model/lease.ts';
import type { Line } from './line.ts';
import type { Stopped } from './port/deliveries.ts';

/** Gathers in a transaction what memory has to follow, and the lines that changed: a driver advances them when all is done. */
export interface Gathered {
  /** It was leased, and is no longer. */
  dropped(lease: Lease): void;
  /** Something of an endpoint waits in the store, due then. */
  stored(endpointKey: number, dueAt: number): void;
  /** A delivery that is ordered by this, if by anything, came into its line or left it. */
  changed(endpointKey: number, orderKey: string | null): void;
  /** The lines that changed. */
  lines(): Line[];
  stopped(): Stopped;
}

export function gather(): Gathered {
  const dropped: Lease[] = [];
  const due = new Map<number, number>();
  const changed = new Map<string, Line>();
  return {
    dropped({ messageKey, endpointKey, fence, resendKey }) {
      dropped.push({ messageKey, endpointKey, fence, resendKey });
    },
    stored(endpointKey, dueAt) {
      due.set(endpointKey, Math.min(due.get(endpointKey) ?? dueAt, dueAt));
    },
    changed(endpointKey, orderKey) {
      if (orderKey !== null) changed.set(`${endpointKey} ${orderKey}`, { endpointKey, orderKey });
    },
    lines: () => [...changed.values()],
    stopped: () => ({
      dropped,
      stored: Array.from(due, ([endpointKey, dueAt]) => ({ endpointKey, dueAt })),
    }),
  };
}
