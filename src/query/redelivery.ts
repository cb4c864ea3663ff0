import { ApiError } from '../errors.ts';
import { RECOVERIES_PER_APPLICATION, RECOVERIES_PER_ENDPOINT, RESENDS_PER_ENDPOINT } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Clock } from '../model/clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { firstIdAt, type Ids } from '../model/id.ts';
import type { Message } from '../model/message.ts';
import type { Recovery, Store } from '../store/store.ts';

export interface RedeliveryOptions {
  store: Pick<
    Store,
    'resendInsert' | 'deliveryFind' | 'recoveryInsert' | 'messageExpunge' | 'attemptExpunge'
  >;
  ids: Ids;
  clock: Clock;
  /** Something for the endpoint waits in the store, due at that time. */
  stored(endpointKey: number, dueAt: number): void;
  /** A recovery was begun and is to be gone on with. */
  recovering(recovery: Recovery): void;
  /** Deliveries that memory held were cancelled in the store. */
  dropped(deliveries: readonly { messageKey: number; endpointKey: number }[]): void;
}

/** A message's id is at most this much later than `createdAt`: ids count in 4 ms. */
const ID_STEP_MS = 4;
const RESEND_RETRY_AFTER_SECONDS = 5;

/** What people ask to be sent again, and what they ask to be forgotten. */
export class Redelivery {
  readonly #options: RedeliveryOptions;

  constructor(options: RedeliveryOptions) {
    this.#options = options;
  }

  /**
   * Asks for one more attempt, whatever became of the delivery; its own schedule goes on as it is. One that waits already
   * serves for both; beside one that is under way there is another. Resolves when that is stored. Throws `missing_payload`, `endpoint_disabled`, `not_found` (the message was never for this endpoint) and
   * `too_many_requests`.
   */
  async resend(message: Message, endpoint: Endpoint): Promise<void> {
    const { store, clock, stored } = this.#options;
    if (message.payload === null) throw new ApiError('missing_payload');
    assertEnabled(endpoint);
    const of = { endpointKey: endpoint.key, messageKeys: [message.key] };
    const [delivery] = await store.deliveryFind(of);
    if (delivery === undefined) {
      throw new ApiError(
        'not_found',
        `The message ${message.id} was not for the endpoint ${endpoint.id}, so that there is nothing to send again: its event type or channels were not asked for, or the endpoint is newer.`,
      );
    }
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
    stored(endpoint.key, now);
  }

  /**
   * Begins to send again what failed or is held for the endpoint, of the messages made from `from` to `to` (ms since the
   * Unix epoch). Resolves when the task is stored: it goes on by itself, over a restart too, and waits while
   * the endpoint is disabled. Throws `endpoint_disabled` and
   * `limit_reached`.
   */
  async recover(
    application: Application,
    endpoint: Endpoint,
    { from, to }: { from: number; to: number },
  ): Promise<Recovery> {
    const { store, ids, clock, recovering } = this.#options;
    assertEnabled(endpoint);
    const recovery = await store.recoveryInsert({
      id: ids.next('qtask'),
      applicationKey: application.key,
      endpointKey: endpoint.key,
      from: firstIdAt('msg', from),
      to: firstIdAt('msg', to + ID_STEP_MS),
      now: clock.now(),
      limit: RECOVERIES_PER_ENDPOINT,
      applicationLimit: RECOVERIES_PER_APPLICATION,
    });
    if (recovery === 'limit') throw tooMany(RECOVERIES_PER_ENDPOINT, 'endpoint');
    if (recovery === 'application_limit') throw tooMany(RECOVERIES_PER_APPLICATION, 'application');
    recovering(recovery);
    return recovery;
  }

  /** Forgets the payload for good. What is still to be sent of it is cancelled. */
  async expunge(message: Message): Promise<void> {
    const { store, dropped } = this.#options;
    const { leased } = await store.messageExpunge({ messageKeys: [message.key] });
    dropped(leased);
  }

  /** Forgets what an endpoint answered. Throws `not_found`. */
  async expungeAttempt(message: Message, id: string): Promise<void> {
    if (await this.#options.store.attemptExpunge({ messageKey: message.key, id })) return;
    throw new ApiError('not_found', `There is no attempt ${JSON.stringify(id.slice(0, 100))}.`);
  }
}

function tooMany(limit: number, of: string): ApiError {
  return new ApiError(
    'limit_reached',
    `${limit} recoveries of this ${of} are under way. Wait until one has finished.`,
  );
}

function assertEnabled(endpoint: Endpoint): void {
  if (endpoint.disabled) throw new ApiError('endpoint_disabled');
}
