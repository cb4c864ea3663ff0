import type { HeldReason } from '../../model/delivery.ts';
import type { NewTask, Task, TaskKind, TaskState } from '../../model/task.ts';
import type { Stopped } from './deliveries.ts';

/** What goes on in the background over many deliveries. */
export interface TaskStore {
  /**
   * Begins a task. The limits bound the running ones of the source endpoint (`limit`) and of the application (`application_limit`).
   * One with `heldFor` that runs already begins from its start again, as by `endpointUpdate`, and is returned whatever the limits.
   */
  taskInsert(
    params: NewTask & { limit: number; applicationLimit: number },
  ): Promise<Task | 'limit' | 'application_limit'>;
  taskFind(params: { id: string }): Promise<Task | null>;
  /** By id, ascending or with `descending` the newest first; `before` and `after` bound the id, both exclusive. */
  taskList(params: {
    /** Null: of all applications. */
    applicationKey: number | null;
    kinds?: readonly TaskKind[];
    states?: readonly TaskState[];
    limit: number;
    before: string | null;
    after: string | null;
    /** With no bound, or with both: the newest of them instead of the oldest, still ascending. */
    fromEnd: boolean;
  }): Promise<Task[]>;
  /** Those that run, oldest first. */
  taskListRunning(): Promise<Task[]>;
  /**
   * Goes on with a task over the next `scan` messages of its range (of `release` and `discard`: deliveries that are held, of messages up to `to`), and lets
   * go at most `most` deliveries of them. Those that are sent begin their schedule anew, due from `now` (or their message's
   * `deliverAt`) on in steps of `1000 / rate` ms; where the target had none of the message, one is made. What is open at the
   * target, has no payload any more or expired stays as it is, and so does what an ordered endpoint has under way. Finished after the
   * last message; failed when source or target is gone. While the target takes nothing, a task that sends does nothing and says
   * why. Null when it does not run any more.
   */
  taskStep(params: {
    id: string;
    now: number;
    scan: number;
    most: number;
  }): Promise<(Stopped & { task: Task }) | { waits: HeldReason } | null>;
  /** Null when it does not run any more. */
  taskCancel(params: { id: string; now: number }): Promise<Task | null>;
  /** Deletes tasks that ended before `before`, at most `limit`. Returns how many. */
  taskPurge(params: { before: number; limit: number }): Promise<number>;
}
