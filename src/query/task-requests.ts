import { ApiError } from '../errors.ts';
import { TASK_RATE, TASKS_PER_APPLICATION, TASKS_PER_ENDPOINT } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Clock } from '../model/clock.ts';
import type { HeldReason } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Ids } from '../model/id.ts';
import type { NewTask, Task } from '../model/task.ts';
import type { Store } from '../store/store.ts';
import { assertTakes, endpointDisabled } from './delivery-actions.ts';
import { messageIds, type ReplayAsked, taskFilter } from './replay-asked.ts';

export interface TaskRequestsOptions {
  store: Pick<Store, 'taskInsert' | 'taskFind' | 'taskList' | 'taskCancel'>;
  ids: Ids;
  clock: Clock;
  /** A task began and is to be gone on with. */
  taskBegan(task: Task): void;
}

export interface ReleaseAsked {
  /** Deliveries a second, at most; `TASK_RATE.usual` when left out. */
  readonly rate?: number | undefined;
  readonly heldFor?: HeldReason;
}

/** Begins tasks, shows them, and ends them. A task goes on by itself once it is stored, over a restart too. */
export class TaskRequests {
  readonly #options: TaskRequestsOptions;

  constructor(options: TaskRequestsOptions) {
    this.#options = options;
  }

  /** Throws `endpoint_disabled` and `limit_reached`. While the target is paused, or is disabled later, the task waits. */
  async replay(asked: ReplayAsked): Promise<Task> {
    const { kind, source, target, rate = TASK_RATE.usual } = asked;
    if (target.disabled) throw endpointDisabled();
    return this.#begin({
      kind,
      applicationKey: source.applicationKey,
      sourceKey: source.key,
      targetKey: target.key,
      filter: taskFilter(asked),
      ...messageIds(asked),
      rate,
    });
  }

  /**
   * Sends what is held for the endpoint, or only what is held for that reason, until nothing is. Throws `endpoint_disabled`
   * and `limit_reached`.
   */
  async release(endpoint: Endpoint, { rate = TASK_RATE.usual, heldFor }: ReleaseAsked = {}): Promise<Task> {
    assertTakes(endpoint);
    const all = heldUpTo(endpoint, Number.MAX_SAFE_INTEGER);
    return this.#begin({ kind: 'release', rate, ...all, filter: heldFor === undefined ? {} : { heldFor } });
  }

  /** Cancels what is held for the endpoint now: what comes later stays. Throws `limit_reached`. */
  discard(endpoint: Endpoint): Promise<Task> {
    const now = this.#options.clock.now();
    return this.#begin({ kind: 'discard', rate: TASK_RATE.most, ...heldUpTo(endpoint, now) });
  }

  /** `application` null: of any. Throws `not_found`. */
  async find(application: Application | null, id: string): Promise<Task> {
    const task = await this.#options.store.taskFind({ id });
    if (task === null || (application !== null && task.applicationKey !== application.key)) {
      throw new ApiError('not_found', `There is no task ${JSON.stringify(id.slice(0, 100))}.`);
    }
    return task;
  }

  list(params: Parameters<Store['taskList']>[0]): Promise<Task[]> {
    return this.#options.store.taskList(params);
  }

  /** What it let go already goes on its way. Throws `not_found` and `conflict`: it has ended. */
  async cancel(application: Application | null, id: string): Promise<Task> {
    const { store, clock } = this.#options;
    await this.find(application, id);
    const cancelled = await store.taskCancel({ id, now: clock.now() });
    if (cancelled !== null) return cancelled;
    const { state } = await this.find(application, id);
    throw new ApiError('conflict', `The task has ended already: it is ${state}.`);
  }

  async #begin(fields: Omit<NewTask, 'id' | 'now'>): Promise<Task> {
    const { store, ids, clock, taskBegan } = this.#options;
    const task = await store.taskInsert({
      ...fields,
      id: ids.next('qtask'),
      now: clock.now(),
      limit: TASKS_PER_ENDPOINT,
      applicationLimit: TASKS_PER_APPLICATION,
    });
    if (task === 'limit') throw tooMany(TASKS_PER_ENDPOINT, 'endpoint');
    if (task === 'application_limit') throw tooMany(TASKS_PER_APPLICATION, 'application');
    taskBegan(task);
    return task;
  }
}

/** What is held for an endpoint of the messages made up to then. */
function heldUpTo({ applicationKey, key }: Endpoint, to: number) {
  return { applicationKey, sourceKey: key, targetKey: key, filter: {}, ...messageIds({ from: 0, to }) };
}

function tooMany(limit: number, of: string): ApiError {
  return new ApiError(
    'limit_reached',
    `${limit} tasks of this ${of} run already. Wait until one has finished, or cancel one.`,
  );
}
