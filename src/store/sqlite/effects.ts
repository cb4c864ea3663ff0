import type { Lease } from '../../model/lease.ts';
import type { Stopped } from '../store.ts';
import type { Connection } from './connection.ts';
import { type Line, lines } from './lines.ts';

/** Gathers in a transaction what memory has to follow, and the lines that changed: they advance when all is done. */
export interface Effects {
  /** It was leased, and is no longer. */
  dropped(lease: Lease): void;
  /** Something of an endpoint waits in the store, due then. */
  stored(endpointKey: number, dueAt: number): void;
  /** A delivery that is ordered by this, if by anything, came into its line or left it. */
  changed(endpointKey: number, orderKey: string | null): void;
  /** Advances the lines. `now`: when those whose turn it became are due. */
  end(now: number): Stopped;
}

export function effects(connection: Connection): () => Effects {
  const advance = lines(connection);
  return () => {
    const dropped: Lease[] = [];
    const due = new Map<number, number>();
    const changed = new Map<string, Line>();
    const stored = (endpointKey: number, dueAt: number) => {
      due.set(endpointKey, Math.min(due.get(endpointKey) ?? dueAt, dueAt));
    };
    return {
      dropped({ messageKey, endpointKey, fence, resendKey }) {
        dropped.push({ messageKey, endpointKey, fence, resendKey });
      },
      stored,
      changed(endpointKey, orderKey) {
        if (orderKey !== null) changed.set(`${endpointKey} ${orderKey}`, { endpointKey, orderKey });
      },
      end(now) {
        for (const line of changed.values()) {
          const dueAt = advance(line, now);
          if (dueAt !== null) stored(line.endpointKey, dueAt);
        }
        return { dropped, stored: Array.from(due, ([endpointKey, dueAt]) => ({ endpointKey, dueAt })) };
      },
    };
  };
}
