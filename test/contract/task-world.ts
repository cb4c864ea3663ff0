import type { NewTask, Task } from '../../src/model/task.ts';
import type { EndpointChanges } from '../../src/store/store.ts';
import { claimDue, delivery, type Given, NOW } from './world.ts';

/** Whose deliveries a task is about. */
export type Place = Pick<NewTask, 'applicationKey' | 'sourceKey' | 'targetKey'>;

const FAILED = { state: 'failed', reason: 'retries_exhausted' } as const;

/** Begins tasks and goes on with them. */
export class Tasks {
  readonly #given: Given;
  readonly #limits: { limit: number; applicationLimit: number };

  constructor(given: Given, limits: { limit?: number; applicationLimit?: number } = {}) {
    this.#given = given;
    this.#limits = { limit: 99, applicationLimit: 99, ...limits };
  }

  /** Usually a recovery of all. */
  async begin(params: Place & Partial<NewTask>): Promise<Task> {
    const all = { kind: 'recover' as const, filter: {}, from: 'msg_', to: 'msg_~', rate: 1_000, now: NOW };
    const id = this.#given.id('qtask');
    const begun = await this.#given.store.taskInsert({ id, ...all, ...this.#limits, ...params });
    if (typeof begun === 'string') throw new Error(begun);
    return begun;
  }

  /** Usually over all. */
  async step(id: string, bounds: { scan?: number; most?: number; now?: number } = {}): Promise<Task> {
    const stepped = await this.#given.store.taskStep({ id, scan: 100, most: 100, now: NOW, ...bounds });
    if (stepped === null) throw new Error('It does not run.');
    if ('waits' in stepped) throw new Error(`It waits: ${stepped.waits}.`);
    return stepped.task;
  }

  /** Begins a task and goes through with it. */
  async run(params: Place & Partial<NewTask>): Promise<Task> {
    return this.step((await this.begin(params)).id, { now: params.now ?? NOW });
  }

  /** Changes the source. */
  async update({ applicationKey, sourceKey }: Place, changes: EndpointChanges): Promise<void> {
    await this.#given.store.endpointUpdate({ applicationKey, endpointKey: sourceKey, now: NOW, changes });
  }

  async remove({ applicationKey, sourceKey }: Place): Promise<void> {
    await this.#given.store.endpointDelete({ applicationKey, endpointKey: sourceKey, now: NOW });
  }

  /** Ends all that is pending for the endpoint as failed. */
  async failAll(endpointKey: number): Promise<void> {
    const { store } = this.#given;
    const params = { endpointKey, dueBy: NOW + 1e6, limit: 100, fence: this.#given.fence() };
    const { claimed } = await claimDue(store, params);
    const results = claimed.map((lease) => this.#given.result(lease, FAILED));
    await store.deliveryRecord({ results, now: NOW });
  }
}

/** Messages whose deliveries to the first endpoint are by turns failed, held and succeeded, and all failed to the second. */
export async function filled(given: Given, count: number) {
  const { application, keys } = await given.company(2);
  const [endpointKey, other] = keys as unknown as [number, number];
  const messages: { id: string; messageKey: number; state: 'failed' | 'held' | 'succeeded' }[] = [];
  for (let n = 0; n < count; n++) {
    const state = (['failed', 'held', 'succeeded'] as const)[n % 3] as 'failed' | 'held' | 'succeeded';
    const first = delivery(endpointKey, state === 'held' ? 'held' : 'sending');
    const message = given.message({ deliveries: [first, delivery(other, 'sending')] });
    const fence = given.fence();
    const publishes = [given.publish(application.key, message)];
    const [accepted] = await given.accept({ publishes, fence, now: NOW });
    const messageKey = (accepted?.kind === 'accepted' && accepted.messageKeys[0]) as number;
    const results = [given.result(given.lease(messageKey, other, fence), FAILED, { number: 8 })];
    if (state !== 'held') {
      const verdict = state === 'failed' ? FAILED : ({ state } as const);
      results.push(given.result(given.lease(messageKey, endpointKey, fence), verdict, { number: 8 }));
    }
    await given.store.deliveryRecord({ results, now: NOW });
    messages.push({ id: message.id, messageKey, state });
  }
  const place: Place = { applicationKey: application.key, sourceKey: endpointKey, targetKey: endpointKey };
  return { application, place, keys: [endpointKey, other] as const, messages };
}
