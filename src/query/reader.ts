import { ApiError } from '../errors.ts';
import type { Application } from '../model/application.ts';
import type { Clock } from '../model/clock.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Message } from '../model/message.ts';
import type { AttemptPage, ListedAttempt, Store } from '../store/store.ts';

/** A delivery with the endpoint it goes to, which may have been deleted since. */
export interface ListedDelivery extends Delivery {
  readonly endpoint: Endpoint;
  readonly endpointDeleted: boolean;
}

/** What the API and the console read. Everything is asked for within one application. */
export class Reader {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** By `msg_…` id or eventId. Throws `not_found`. */
  async message(application: Application, ref: string): Promise<Message> {
    const message = await this.#store.messageFind({ applicationKey: application.key, ref });
    if (!message)
      throw new ApiError('not_found', `There is no message ${JSON.stringify(ref.slice(0, 100))}.`);
    return message;
  }

  /** Newest first. */
  messages(
    application: Application,
    page: Omit<Parameters<Store['messageList']>[0], 'applicationKey'>,
  ): Promise<Message[]> {
    return this.#store.messageList({ applicationKey: application.key, ...page });
  }

  /**
   * Every delivery of a message, by endpoint, oldest endpoint first. One whose retry waits in memory under its lease is
   * shown as what it is to a reader: pending.
   */
  async deliveries(message: Message): Promise<ListedDelivery[]> {
    const now = this.#clock.now();
    const deliveries = await this.#store.deliveryList({ messageKey: message.key });
    return deliveries.map((each) =>
      each.state === 'sending' && (each.nextAttemptAt ?? 0) > now ? { ...each, state: 'pending' } : each,
    );
  }

  /** Newest first. */
  attemptsOfMessage(message: Message, page: AttemptPage): Promise<ListedAttempt[]> {
    return this.#store.attemptListByMessage({ messageKey: message.key, ...page });
  }

  /** Newest first. */
  attemptsOfEndpoint(endpoint: Endpoint, page: AttemptPage): Promise<ListedAttempt[]> {
    return this.#store.attemptListByEndpoint({ endpointKey: endpoint.key, ...page });
  }
}
