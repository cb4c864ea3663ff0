import { ApiError } from '../errors.ts';
import { RESENDS_PER_ENDPOINT } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { RESEND_DUE_AT } from '../model/lease.ts';
import type { Message } from '../model/message.ts';
import type { Task } from '../model/task.ts';
import type { Store } from '../store/store.ts';
import { Consequences, type ConsequencesOptions } from './consequences.ts';
import { assertTakes, DeliveryActions } from './delivery-actions.ts';
import type { Reader } from './reader.ts';
import type { ReplayAsked } from './replay-asked.ts';
import { type ReleaseAsked, TaskRequests, type TaskRequestsOptions } from './task-requests.ts';

export type { ReplayAsked };

export interface RedeliveryOptions extends ConsequencesOptions, TaskRequestsOptions {
  store: Pick<
    Store,
    | 'resendInsert'
    | 'deliveryFind'
    | 'deliveryCancel'
    | 'deliveryHurry'
    | 'messageExpunge'
    | 'attemptExpunge'
    | 'taskInsert'
    | 'taskFind'
    | 'taskList'
    | 'taskCancel'
  >;
  reader: Pick<Reader, 'replayCount'>;
}

const RESEND_RETRY_AFTER_SECONDS = 5;

/** What people ask to be sent again, or not to be sent any more, and what they ask to be forgotten. */
export class Redelivery {
  readonly #options: RedeliveryOptions;
  readonly #consequences: Consequences;
  readonly #actions: DeliveryActions;
  readonly #tasks: TaskRequests;

  constructor(options: RedeliveryOptions) {
    this.#options = options;
    this.#consequences = new Consequences(options);
    this.#actions = new DeliveryActions(options.store, this.#consequences);
    this.#tasks = new TaskRequests(options);
  }

  /**
   * Asks for one more attempt, whatever became of the delivery; its own schedule goes on as it is. One that waits already
   * serves for both; beside one that is under way there is another. Resolves when that is stored. Throws `missing_payload`, `endpoint_disabled`, `not_found` (the message was never for this endpoint) and
   * `too_many_requests`.
   */
  async resend(message: Message, endpoint: Endpoint): Promise<void> {
    const { store, clock, stored } = this.#options;
    if (message.payload === null) throw new ApiError('missing_payload');
    assertTakes(endpoint);
    await this.#actions.find(message, endpoint);
    const now = clock.now();
    const place = { messageKey: message.key, endpointKey: endpoint.key, now };
    const asked = await store.resendInsert({ ...place, limit: RESENDS_PER_ENDPOINT });
    if (asked === 'expunged') throw new ApiError('missing_payload');
    if (asked === 'limit') {
      throw new ApiError(
        'too_many_requests',
        `${RESENDS_PER_ENDPOINT} resends wait for this endpoint already.`,
        { retryAfterSeconds: RESEND_RETRY_AFTER_SECONDS },
      );
    }
    stored(endpoint.key, RESEND_DUE_AT);
  }

  /** See `DeliveryActions`. */
  cancel(message: Message, endpoint: Endpoint): Promise<Delivery> {
    return this.#actions.cancel(message, endpoint);
  }

  /** See `DeliveryActions`. */
  skip(message: Message, endpoint: Endpoint): Promise<Delivery> {
    return this.#actions.skip(message, endpoint);
  }

  /** See `DeliveryActions`. */
  retry(message: Message, endpoint: Endpoint): Promise<Delivery> {
    return this.#actions.retry(message, endpoint);
  }

  /** Begins to send again what was asked for. See `TaskRequests`, also for those below. */
  replay(asked: ReplayAsked): Promise<Task> {
    return this.#tasks.replay(asked);
  }

  /** What such a replay would be about; nothing happens. See `Reader.replayCount`. */
  count(asked: ReplayAsked, isGone: () => boolean): ReturnType<Reader['replayCount']> {
    return this.#options.reader.replayCount(asked, isGone);
  }

  release(endpoint: Endpoint, asked: ReleaseAsked = {}): Promise<Task> {
    return this.#tasks.release(endpoint, asked);
  }

  discard(endpoint: Endpoint): Promise<Task> {
    return this.#tasks.discard(endpoint);
  }

  taskFind(application: Application | null, id: string): Promise<Task> {
    return this.#tasks.find(application, id);
  }

  taskList(params: Parameters<Store['taskList']>[0]): Promise<Task[]> {
    return this.#tasks.list(params);
  }

  taskCancel(application: Application | null, id: string): Promise<Task> {
    return this.#tasks.cancel(application, id);
  }

  /** Forgets the payload for good. What is still to be sent of it is cancelled. */
  async expunge({ applicationKey, key: messageKey }: Message): Promise<void> {
    const { store, clock } = this.#options;
    const messages = [{ applicationKey, messageKey }];
    const stopped = await store.messageExpunge({ messages, now: clock.now() });
    this.#consequences.follow(stopped);
  }

  /** Forgets what an endpoint answered. Throws `not_found`. */
  async expungeAttempt({ applicationKey, key: messageKey }: Message, id: string): Promise<void> {
    if (await this.#options.store.attemptExpunge({ applicationKey, messageKey, id })) return;
    throw new ApiError('not_found', `There is no attempt ${JSON.stringify(id.slice(0, 100))}.`);
  }
}
