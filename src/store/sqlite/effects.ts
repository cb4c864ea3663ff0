import { type Gathered, gather } from '../gathered.ts';
import type { Stopped } from '../store.ts';
import type { Connection } from './connection.ts';
import { lines } from './lines.ts';

/** What a transaction gathers for its end. */
export interface Effects extends Gathered {
  /** Advances the lines. `now`: when those whose turn it became are due. */
  end(now: number): Stopped;
}

export function effects(connection: Connection): () => Effects {
  const advance = lines(connection);
  return () => {
    const gathered = gather();
    return {
      ...gathered,
      end(now) {
        for (const line of gathered.lines()) {
          const dueAt = advance(line, now);
          if (dueAt !== null) gathered.stored(line.endpointKey, dueAt);
        }
        return gathered.stopped();
      },
    };
  };
}
