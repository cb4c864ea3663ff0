import { ApiError, NOT_KNOWN } from '../errors.ts';
import { fanOut } from '../fanout/fan-out.ts';
import {
  ACCEPT_FAILURE_COUNTS_MS,
  ACCEPT_FAILURES,
  ACCEPT_FANOUT_MS,
  ACCEPT_FANOUTS,
  DELIVERIES_PER_PUBLISH,
  ORDERED_DELIVERY_COST,
} from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import { type Endpoint, heldReason } from '../model/endpoint.ts';
import type { Ids } from '../model/id.ts';
import type { Fences, LeasedDelivery } from '../model/lease.ts';
import type { NewMessage } from '../model/message.ts';
import { type Publish, type PublishResult, type Store, StoreError } from '../store/store.ts';
import { AcceptQueue, type Waiting } from './accept-queue.ts';
import type { PublishMessage, PublishOutcome, PublishRequest } from './publish-request.ts';

export type { PublishMessage, PublishOutcome, PublishRequest };

/** What accept needs of the schedule: room for what it commits, and somewhere to put it. */
export interface Lanes {
  /** Reserves room in memory for a delivery; false: it shall wait in the store. */
  admit(applicationKey: number, endpointKey: number, characters: number): boolean;
  /** Gives a reservation back: the delivery was not committed. */
  unadmit(endpointKey: number, characters: number): void;
  /** Takes over committed deliveries whose room was reserved. */
  push(deliveries: readonly LeasedDelivery[]): void;
  /** A committed delivery waits in the store. */
  stored(endpointKey: number, dueAt: number): void;
}

export interface AcceptOptions {
  store: Pick<Store, 'messageAccept' | 'idempotencyFind' | 'parallelCommits'>;
  clock: Clock;
  ids: Ids;
  fences: Pick<Fences, 'next' | 'isOwn'>;
  lanes: Lanes;
  /** The store is broken: the process must not go on. */
  broken(error: Error): void;
  /** An application with its endpoints, from memory when it is there. */
  registered(applicationKey: number): Addressees | Promise<Addressees>;
  /** With this revision, the application is not as it is in the store. */
  outdated(applicationKey: number, revision: number): void;
  /** Deliveries may be leased under this fence, and nobody has them. */
  doubtful(fence: number): void;
  log: { warn(fields: object, text: string): void };
  /** A delivery was stored as held by a pause that had ended by then: nobody else lets it go. */
  heldLate(applicationKey: number, endpointKey: number): void;
}

/** Whom messages may go to: it changes in place. */
interface Addressees {
  readonly application: { readonly revision: number };
  readonly endpoints: EndpointTable;
}

type EndpointTable = readonly { readonly endpoint: Endpoint }[];

/**
 * Group commit: publishes that arrive together go into one transaction, messages and deliveries, and are answered
 * after it. There is no waiting window: a transaction takes what has gathered while the one before it was written, or those before
 * it, where the store writes several at once.
 * (In the prototype a window of 2 ms halved the rate of a closed loop of single publishes.)
 */
export class Accept {
  readonly #options: AcceptOptions;
  readonly #queue: AcceptQueue;
  #commits = 0;
  /** Publishes that wait for their endpoints to stand still. */
  #resting = 0;
  /** Transactions that failed since one worked, and the last of them. */
  #failures = 0;
  #lastFailure: { readonly error: Error; readonly at: number } | null = null;
  #woken = false;
  #idle: (() => void)[] = [];

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#queue = new AcceptQueue(options.clock);
  }

  /** Resolves after the commit. Rejects with `ApiError`: `conflict`, `idempotency_mismatch`, `not_found`, `too_many_requests`, `unavailable`. */
  publish(request: PublishRequest): Promise<PublishOutcome> {
    if (this.#failures >= ACCEPT_FAILURES && this.#commits > 0) {
      return Promise.reject(new ApiError('unavailable', undefined, { retryAfterSeconds: 2 }));
    }
    const known = this.#options.registered(request.application.key);
    if (known instanceof Promise) {
      return known.then(
        () => this.publish(request),
        (error: unknown) => Promise.reject(asApiError(error)),
      );
    }
    let bytes = 0;
    for (const message of request.messages) bytes += message.payload.length;
    const { length } = request.messages;
    const deliveries = length * reach(request, known.endpoints);
    if (this.#queue.isFullFor(bytes, deliveries)) {
      return Promise.reject(new ApiError('too_many_requests', undefined, { retryAfterSeconds: 1 }));
    }
    return new Promise((resolve, reject) => {
      const cost = length * costOf(request, known.endpoints);
      const since = this.#options.clock.monotonic();
      this.#queue.push({ request, bytes, deliveries, cost, since, stale: 0, resolve, reject });
      this.#wake();
    });
  }

  /** What the same call was answered with before; null: it was not, or it is on its way. Rejects with `unavailable`. */
  async earlier(
    idempotency: NonNullable<PublishRequest['idempotency']>,
  ): Promise<Extract<PublishOutcome, { kind: 'replayed' }> | null> {
    try {
      const found = await this.#options.store.idempotencyFind(idempotency);
      return found?.kind === 'replayed' ? found : null;
    } catch (error) {
      throw asApiError(error);
    }
  }

  /** Why the last publishes could not be committed; null: they could, or it is too long ago to say anything. */
  get failure(): Error | null {
    const last = this.#lastFailure;
    const counts = last !== null && this.#options.clock.monotonic() - last.at < ACCEPT_FAILURE_COUNTS_MS;
    return counts ? last.error : null;
  }

  /** Resolves when every publish so far has been answered. */
  drained(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#queue.size === 0 && this.#commits === 0 && this.#resting === 0;
  }

  /** Begins transactions once the events at hand are dealt with: a store that answers at once would otherwise keep the event loop. */
  #wake(): void {
    if (this.#woken) return;
    if (this.#commits >= this.#options.store.parallelCommits) {
      this.#queue.watch();
      return;
    }
    this.#woken = true;
    this.#options.clock.soon(() => {
      this.#woken = false;
      while (this.#queue.size > 0 && this.#commits < this.#options.store.parallelCommits)
        void this.#run(this.#queue.take());
      this.#queue.watch();
    });
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#commits++;
    try {
      await this.#commit(batch);
    } catch (error) {
      for (const waiting of batch) waiting.reject(asApiError(error));
    }
    this.#commits--;
    if (this.#queue.size > 0) this.#wake();
    else if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { store, clock, fences, lanes } = this.#options;
    const now = clock.now();
    const fence = fences.next();
    const taken: Waiting[] = [];
    const publishes: Publish[] = [];
    for (const waiting of batch) {
      const { application, idempotency } = waiting.request;
      const fanned = await this.#fanOut(waiting, now);
      if (fanned === null) continue;
      taken.push(waiting);
      publishes.push({ applicationKey: application.key, ...fanned, idempotency });
    }
    if (publishes.length === 0) return;
    let results: PublishResult[];
    try {
      results = await store.messageAccept({ publishes, fence, now });
    } catch (error) {
      for (const publish of publishes) unadmit(lanes, publish.messages);
      this.#failed(error, fence);
      throw error;
    }
    this.#failures = 0;
    this.#lastFailure = null;
    // This process was taken for dead meanwhile, and others may have released what it leased so.
    const isVoid = !fences.isOwn(fence);
    const leased: LeasedDelivery[] = [];
    const stale: Waiting[] = [];
    results.forEach((result, index) => {
      const publish = publishes[index] as Publish;
      const waiting = taken[index] as Waiting;
      if (result.kind !== 'accepted' || isVoid) unadmit(lanes, publish.messages);
      if (result.kind === 'stale') {
        if (this.#isWorthAnother(waiting, publish)) stale.push(waiting);
      } else if (result.kind === 'accepted') {
        handOver(lanes, publish.messages, result.messageKeys, fence, now, leased);
        waiting.resolve({ kind: 'accepted', messages: publish.messages });
      } else if (result.kind === 'replayed') {
        waiting.resolve({ kind: 'replayed', messageIds: result.messageIds });
      } else waiting.reject(refusal(result));
    });
    if (isVoid) this.#options.doubtful(fence);
    else if (leased.length > 0) lanes.push(leased);
    this.#fanOutAgain(stale);
    publishes.forEach((publish, index) => {
      if (results[index]?.kind === 'accepted') this.#lookAgain(publish);
    });
  }

  /** At once the first time; then a little later each time, as whoever changes endpoints now may do so for a while. */
  #fanOutAgain(stale: readonly Waiting[]): void {
    const { clock } = this.#options;
    const { first, most } = ACCEPT_FANOUT_MS;
    this.#queue.putBack(stale.filter((waiting) => waiting.stale <= 1));
    for (const waiting of stale) {
      if (waiting.stale <= 1) continue;
      this.#resting++;
      clock.timer(Math.min(first * 2 ** (waiting.stale - 2), most), () => {
        this.#resting--;
        this.#queue.putBack([waiting]);
        this.#wake();
      });
    }
  }

  #failed(error: unknown, fence: number): void {
    this.#failures++;
    this.#lastFailure = {
      error: error instanceof Error ? error : new Error(String(error)),
      at: this.#options.clock.monotonic(),
    };
    // Whatever else it is becomes an answer that is logged.
    if (!(error instanceof StoreError)) return;
    this.#options.log.warn({ err: error }, 'publishes could not be taken');
    if (error.code === 'broken') this.#options.broken(error);
    if (error.code === 'unknown') this.#options.doubtful(fence);
  }

  /** Its endpoints changed while it was on its way. One that meets nothing but changes is refused for now. */
  #isWorthAnother(waiting: Waiting, { applicationKey, revision }: Publish): boolean {
    this.#options.outdated(applicationKey, revision);
    if (++waiting.stale < ACCEPT_FANOUTS) return true;
    waiting.reject(new ApiError('unavailable', undefined, { retryAfterSeconds: 1 }));
    return false;
  }

  /** What a pause holds is let go at its end, but for what was on its way into the store then. */
  #lookAgain({ applicationKey, messages }: Publish): void {
    const paused = new Set<number>();
    for (const { deliveries } of messages) {
      for (const delivery of deliveries)
        if (delivery.state === 'held' && delivery.reason === 'endpoint_paused')
          paused.add(delivery.endpointKey);
    }
    if (paused.size === 0) return;
    const look = ({ endpoints }: Addressees) => {
      for (const { endpoint } of endpoints) {
        if (paused.has(endpoint.key) && heldReason(endpoint) === null)
          this.#options.heldLate(applicationKey, endpoint.key);
      }
    };
    const known = this.#options.registered(applicationKey);
    // An application that is gone, or a store that fails: then nobody ended the pause.
    if (known instanceof Promise) known.then(look, () => {});
    else look(known);
  }

  /** The publish's messages with their deliveries, and by what. A publish that cannot be taken is refused here, alone: null. */
  async #fanOut(waiting: Waiting, now: number): Promise<Pick<Publish, 'revision' | 'messages'> | null> {
    const { ids, lanes, registered } = this.#options;
    const { application, messages, onlyEndpointKey } = waiting.request;
    let known: Addressees;
    try {
      known = await registered(application.key);
    } catch (error) {
      waiting.reject(asApiError(error));
      return null;
    }
    const { endpoints } = known;
    if (messages.length * reach(waiting.request, endpoints) > DELIVERIES_PER_PUBLISH) {
      waiting.reject(
        new ApiError(
          'payload_too_large',
          `One call may lead to at most ${DELIVERIES_PER_PUBLISH} deliveries. Publish fewer messages at once.`,
        ),
      );
      return null;
    }
    const fanned = messages.map((message) => {
      const deliverAt = message.deliverAt !== null && message.deliverAt > now ? message.deliverAt : null;
      // What is for later waits in the store, whatever room there is now.
      const admit = (endpointKey: number) =>
        deliverAt === null && lanes.admit(application.key, endpointKey, message.payload.length);
      return {
        ...message,
        id: ids.next('msg'),
        deliverAt,
        createdAt: now,
        deliveries: fanOut(message, endpoints, onlyEndpointKey, admit),
      };
    });
    return { revision: known.application.revision, messages: fanned };
  }
}

/** How many endpoints a message of this request goes to at the most. */
function reach({ onlyEndpointKey }: PublishRequest, table: EndpointTable): number {
  return onlyEndpointKey === null ? table.length : Math.min(1, table.length);
}

/** By table, which is another one after each change of its endpoints. */
const costs = new WeakMap<EndpointTable, number>();

/** What one of its messages costs at the most. */
function costOf({ onlyEndpointKey }: PublishRequest, table: EndpointTable): number {
  if (onlyEndpointKey !== null) return ORDERED_DELIVERY_COST;
  let cost = costs.get(table);
  if (cost === undefined) {
    cost = 0;
    for (const { endpoint } of table) cost += endpoint.ordering === 'none' ? 1 : ORDERED_DELIVERY_COST;
    costs.set(table, cost);
  }
  return cost;
}

function handOver(
  lanes: Lanes,
  messages: readonly NewMessage[],
  messageKeys: readonly number[],
  fence: number,
  now: number,
  leased: LeasedDelivery[],
): void {
  messages.forEach((message, index) => {
    const messageKey = messageKeys[index] as number;
    for (const { endpointKey, state } of message.deliveries) {
      if (state === 'pending') lanes.stored(endpointKey, message.deliverAt ?? now);
      if (state !== 'sending') continue;
      leased.push({
        messageKey,
        endpointKey,
        fence,
        resendKey: null,
        messageId: message.id,
        payload: message.payload,
        attemptCount: 0,
        nextAttemptAt: now,
        expiresAt: message.expiresAt,
        orderKey: null,
        announced: false,
      });
    }
  });
}

function unadmit(lanes: Lanes, messages: readonly NewMessage[]): void {
  for (const message of messages) {
    for (const { endpointKey, state } of message.deliveries) {
      if (state === 'sending') lanes.unadmit(endpointKey, message.payload.length);
    }
  }
}

function refusal(
  result: Extract<PublishResult, { kind: 'idempotency_mismatch' | 'event_id_taken' }>,
): ApiError {
  if (result.kind === 'idempotency_mismatch') return new ApiError('idempotency_mismatch');
  return new ApiError(
    'conflict',
    `A message with the eventId ${JSON.stringify(result.eventId)} already exists.`,
    { at: ['body', 'eventId'] },
  );
}

function asApiError(error: unknown): Error {
  if (error instanceof StoreError) {
    const detail = error.code === 'unknown' ? NOT_KNOWN : undefined;
    return new ApiError('unavailable', detail, { retryAfterSeconds: 2, cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}
