import type { Clock } from '../../model/clock.ts';
import type { Signal } from '../store.ts';
import type { Database, Executor } from './connection.ts';

/** What each file of this driver works with. */
export interface Backend {
  readonly db: Database;
  readonly clock: Clock;
  /** This process, from `nodeJoin` on; 0: it did not join. */
  readonly self: { epoch: number };
  /** Tells the other processes, when the transaction commits. */
  tell(tx: Executor, signals: readonly Signal[]): Promise<void>;
}
