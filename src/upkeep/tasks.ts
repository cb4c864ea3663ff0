import type { Clock, Timer } from '../model/clock.ts';
import { Rounds } from '../model/rounds.ts';
import type { NewTask } from '../model/task.ts';
import type { Stopped, Store } from '../store/store.ts';

export interface TasksOptions {
  store: Pick<Store, 'taskListRunning' | 'taskStep'>;
  clock: Clock;
  /** What a step stopped or set free. */
  follow(stopped: Stopped): void;
  log: { warn(fields: object, text: string): void };
}

/** What is known of a task while it runs. */
export type RunningTask = Pick<NewTask, 'id' | 'kind' | 'applicationKey' | 'targetKey' | 'rate'> & {
  readonly affected?: number;
};

/** Messages looked at, and deliveries let go, by one step: it is one transaction, and publishes wait for it. */
const STEP_MESSAGES = 500;
const STEP_DELIVERIES = 500;
const AGAIN_MS = 1_000;

/**
 * Goes on with all tasks that run, a step at a time. Applications take turns, and the tasks of one among themselves: neither
 * a long one nor many of them keep others waiting.
 *
 *     add ──► open ──turn──► step ──┬─► open (nothing was let go)
 *              ▲                    ├─► rests (until what was let go is over by its rate, or the store failed)
 *              ├── alarm ◄──────────┤
 *              └── again ◄──────────┴─► aside (its endpoint takes nothing), or gone: it ended
 *
 * A step lets go about a second's worth, whose due times are spread over that second; the next one comes when it is over.
 */
export class Tasks {
  readonly #options: TasksOptions;
  readonly #open = new Rounds<RunningTask>();
  readonly #resting = new Map<string, Timer>();
  /** By endpoint, those whose endpoint took nothing at the last step. */
  readonly #aside = new Map<number, RunningTask[]>();
  /** All of the above, and the one that has its turn. */
  readonly #known = new Set<string>();
  #running = false;
  #stopped = false;

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  /** Takes up those that run and are not known: the last run left them, or another process began them. */
  async look(): Promise<void> {
    for (const task of await this.#options.store.taskListRunning()) this.add(task);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#resting.values()) timer.cancel();
  }

  /** One that is known already is not added again. */
  add(task: RunningTask): void {
    if (this.#known.has(task.id)) return;
    this.#known.add(task.id);
    this.#goOn(task);
  }

  /** Looks again at those laid aside: all, or of one endpoint. */
  again(endpointKey?: number): void {
    for (const key of endpointKey === undefined ? [...this.#aside.keys()] : [endpointKey]) {
      const tasks = this.#aside.get(key) ?? [];
      this.#aside.delete(key);
      for (const task of tasks) this.#goOn(task);
    }
  }

  /** Looks again at those laid aside of one application. */
  againOf(applicationKey: number): void {
    for (const [endpointKey, [task]] of this.#aside) {
      if (task?.applicationKey === applicationKey) this.again(endpointKey);
    }
  }

  #goOn(task: RunningTask): void {
    this.#open.add(task.applicationKey, task);
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  #rest(task: RunningTask, ms: number): void {
    if (this.#stopped) return;
    const timer = this.#options.clock.timer(ms, () => {
      this.#resting.delete(task.id);
      this.#goOn(task);
    });
    this.#resting.set(task.id, timer);
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    for (let next = this.#open.take(); next !== null && !this.#stopped; next = this.#open.take()) {
      try {
        await this.#step(next);
      } catch (error) {
        log.warn({ err: error, taskId: next.id }, 'a task could not go on; trying again');
        this.#rest(next, AGAIN_MS);
      }
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    this.#running = false;
  }

  async #step(task: RunningTask): Promise<void> {
    const { store, clock, follow } = this.#options;
    const isPaced = task.kind !== 'discard';
    const most = isPaced ? Math.min(STEP_DELIVERIES, Math.max(1, task.rate)) : STEP_DELIVERIES;
    const began = clock.monotonic();
    const stepped = await store.taskStep({ id: task.id, now: clock.now(), scan: STEP_MESSAGES, most });
    if (stepped === null) {
      this.#known.delete(task.id);
      return;
    }
    if ('waits' in stepped) {
      this.#aside.set(task.targetKey, [...(this.#aside.get(task.targetKey) ?? []), task]);
      return;
    }
    follow(stepped);
    if (stepped.task.state !== 'running') {
      this.#known.delete(task.id);
      return;
    }
    const letGo = isPaced ? stepped.task.affected - (task.affected ?? 0) : 0;
    const restMs = (letGo * 1_000) / task.rate - (clock.monotonic() - began);
    if (restMs > 0) this.#rest(stepped.task, restMs);
    else this.#goOn(stepped.task);
  }
}
