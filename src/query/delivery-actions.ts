import { ApiError } from '../errors.ts';
import type { Delivery, DeliveryState } from '../model/delivery.ts';
import { type Endpoint, heldReason } from '../model/endpoint.ts';
import type { Message } from '../model/message.ts';
import type { Store } from '../store/store.ts';
import type { Consequences } from './consequences.ts';
import { shown } from './shown-delivery.ts';

type Writes = Pick<Store, 'deliveryFind' | 'deliveryCancel' | 'deliveryHurry'>;

const OPEN: readonly DeliveryState[] = ['pending', 'sending', 'held'];

/** What people do to one delivery: never again, not before those behind it, or at once. */
export class DeliveryActions {
  readonly #store: Writes;
  readonly #consequences: Consequences;

  constructor(store: Writes, consequences: Consequences) {
    this.#store = store;
    this.#consequences = consequences;
  }

  /**
   * Cancels what is open, and resends that wait. A request that is under way may arrive all the same. Resolves to the delivery as it is then. Throws
   * `not_found` and `conflict`.
   */
  async cancel(message: Message, endpoint: Endpoint): Promise<Delivery> {
    const delivery = await this.find(message, endpoint);
    const advice = 'Only what is pending, sending or held can be cancelled.';
    if (!OPEN.includes(delivery.state)) throw isIn(delivery.state, advice);
    assertNotSent(delivery);
    return this.#cancel(message, endpoint, { reason: 'cancelled', advice });
  }

  /** Takes an ordered delivery out of the way of those behind it, also one that failed. Otherwise as `cancel`. */
  async skip(message: Message, endpoint: Endpoint): Promise<Delivery> {
    const delivery = await this.find(message, endpoint);
    if (delivery.orderKey === null) {
      throw new ApiError(
        'conflict',
        'The delivery is not ordered, so that nothing waits behind it. Use cancel to have it not sent any more.',
      );
    }
    const advice = 'Only what is pending, sending, failed or held stands before others.';
    if (delivery.state !== 'failed' && !OPEN.includes(delivery.state)) throw isIn(delivery.state, advice);
    assertNotSent(delivery);
    return this.#cancel(message, endpoint, { reason: 'skipped', failedToo: true, advice });
  }

  /**
   * Makes it due at once. Resolves to the delivery as it is then. Throws `not_found`, `conflict`, `endpoint_disabled` and
   * `missing_payload`.
   */
  async retry(message: Message, endpoint: Endpoint): Promise<Delivery> {
    const { now, follow, hurry } = this.#consequences;
    await this.find(message, endpoint);
    if (message.payload === null) throw new ApiError('missing_payload');
    assertTakes(endpoint);
    const hurried = await this.#store.deliveryHurry({ ...placeOf(message, endpoint), now: now() });
    if (hurried === null) throw isNotFor(message, endpoint);
    if (hurried.state === 'due') {
      follow(hurried, { resends: false });
      hurry(endpoint.key);
      return this.find(message, endpoint);
    }
    if (hurried.state === 'expunged') throw new ApiError('missing_payload');
    if (hurried.state === 'under_way') {
      throw new ApiError('conflict', 'The delivery is sending: it is under way right now.');
    }
    const advice =
      'Only what is pending, failed or held can be tried now. Use resend for another attempt, whatever became of it.';
    throw isIn((await this.find(message, endpoint)).state, advice);
  }

  /** Throws `not_found`: the message was never for the endpoint. */
  async find(message: Message, endpoint: Endpoint): Promise<Delivery> {
    const of = { endpointKey: endpoint.key, messageKeys: [message.key] };
    const [delivery] = await this.#store.deliveryFind(of);
    if (delivery === undefined) throw isNotFor(message, endpoint);
    return shown(delivery, this.#consequences.now());
  }

  async #cancel(
    message: Message,
    endpoint: Endpoint,
    how: { reason: 'cancelled' | 'skipped'; failedToo?: boolean; advice: string },
  ): Promise<Delivery> {
    const { now, follow } = this.#consequences;
    const { advice, ...params } = how;
    const deliveries = [placeOf(message, endpoint)];
    const { cancelled, ...stopped } = await this.#store.deliveryCancel({ deliveries, ...params, now: now() });
    follow(stopped, { resends: true });
    const delivery = await this.find(message, endpoint);
    // Between the look and the change it ended by itself.
    if (cancelled.length === 0) throw isIn(delivery.state, advice);
    return delivery;
  }
}

/** Throws `endpoint_disabled`. */
export function assertTakes(endpoint: Endpoint): void {
  const reason = heldReason(endpoint);
  if (reason === 'endpoint_disabled') throw new ApiError('endpoint_disabled');
  if (reason === 'endpoint_paused') {
    throw new ApiError('endpoint_disabled', 'The endpoint is paused and takes nothing. End the pause first.');
  }
}

/** The one behind it would go out beside it. Throws `conflict`. */
function assertNotSent({ orderKey, state }: Delivery): void {
  if (orderKey === null || state !== 'sending') return;
  throw new ApiError(
    'conflict',
    'The delivery is sending, and those behind it wait for its end. Try again when its attempt is over.',
  );
}

function placeOf(message: Message, endpoint: Endpoint) {
  return { messageKey: message.key, endpointKey: endpoint.key };
}

function isIn(state: DeliveryState, advice: string): ApiError {
  return new ApiError('conflict', `The delivery is ${state}. ${advice}`);
}

function isNotFor(message: Message, endpoint: Endpoint): ApiError {
  return new ApiError(
    'not_found',
    `The message ${message.id} was not for the endpoint ${endpoint.id}, so that there is no delivery: its event type or channels were not asked for, or the endpoint is newer. Explain says which.`,
  );
}
