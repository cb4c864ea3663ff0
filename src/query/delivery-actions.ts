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
    const isInTheWay = delivery.state === 'failed' && delivery.orderKey !== null;
    const advice = isInTheWay
      ? 'It is not sent any more as it is. Use skip to let those behind it go on.'
      : 'Only what is pending, sending or held can be cancelled.';
    if (!OPEN.includes(delivery.state)) throw isIn(delivery.state, advice);
    this.#assertNotSent(delivery);
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
    this.#assertNotSent(delivery);
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
    if (this.#isSent(placeOf(message, endpoint))) throw isUnderWay();
    const hurried = await this.#store.deliveryHurry({ ...placeOf(message, endpoint), now: now() });
    if (hurried === null) throw isNotFor(message, endpoint);
    if (hurried.state === 'due') {
      follow(hurried);
      hurry(endpoint.key);
      return this.find(message, endpoint);
    }
    if (hurried.state === 'expunged') throw new ApiError('missing_payload');
    if (hurried.state === 'under_way') throw isDue();
    if (hurried.state === 'behind') throw isBehind(hurried.before);
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

  /** The one behind it would go out beside it. Throws `conflict`. */
  #assertNotSent(delivery: Delivery): void {
    if (delivery.orderKey === null || !(delivery.state === 'sending' || this.#isSent(delivery))) return;
    throw new ApiError(
      'conflict',
      'The delivery is sending, and those behind it wait for its end. Try again when its attempt is over.',
    );
  }

  /** Where the wall clock was set back meanwhile, the store has a retry wait that memory has under way. */
  #isSent({ endpointKey, messageKey }: { endpointKey: number; messageKey: number }): boolean {
    return this.#consequences.sends(endpointKey, messageKey);
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
    follow(stopped);
    const delivery = await this.find(message, endpoint);
    // Between the look and the change it ended by itself.
    if (cancelled.length === 0) throw isIn(delivery.state, advice);
    return delivery;
  }
}

/** Throws `endpoint_disabled`. */
export function assertTakes(endpoint: Endpoint): void {
  const reason = heldReason(endpoint);
  if (reason === 'endpoint_disabled') throw endpointDisabled();
  if (reason === 'endpoint_paused') {
    throw new ApiError('endpoint_disabled', 'The endpoint is paused and takes nothing. End the pause first.');
  }
}

export function endpointDisabled(): ApiError {
  return new ApiError('endpoint_disabled', 'The endpoint is disabled and takes nothing. Enable it first.');
}

function isUnderWay(): ApiError {
  return new ApiError('conflict', 'The delivery is sending: it is under way right now.');
}

function isDue(): ApiError {
  return new ApiError(
    'conflict',
    'The delivery is due already, and goes out when its turn comes. Explain says what it waits for.',
  );
}

function isBehind({ messageId, state }: { messageId: string; state: DeliveryState }): ApiError {
  const goOn =
    state === 'failed' || state === 'held'
      ? 'Retry that one or skip it; this one goes out after it.'
      : 'It goes out once that one has arrived. Retry that one, skip it or cancel it to go on.';
  return new ApiError(
    'conflict',
    `The delivery is ordered, and stands behind that of the message ${messageId}. ${goOn}`,
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
