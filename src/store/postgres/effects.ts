import { type Gathered, gather } from '../gathered.ts';
import type { Stopped } from '../store.ts';
import type { Executor } from './connection.ts';
import { advanceLines } from './lines.ts';

/** What a transaction gathers for its end. */
export interface Effects extends Gathered {
  /** Advances the lines. `now`: when those whose turn it became are due. */
  end(now: number): Promise<Stopped>;
}

export function effects(tx: Executor): Effects {
  const gathered = gather();
  return {
    ...gathered,
    async end(now) {
      for (const { endpointKey, dueAt } of await advanceLines(tx, gathered.lines(), now))
        gathered.stored(endpointKey, dueAt);
      return gathered.stopped();
    },
  };
}
