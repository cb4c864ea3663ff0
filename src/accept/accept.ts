import { ApiError } from '../errors.ts';
import { fanOut } from '../fanout/fan-out.ts';
import {
  ACCEPT_BATCH_BYTES,
  ACCEPT_BATCH_DELIVERIES,
  ACCEPT_BATCH_MESSAGES,
  ACCEPT_QUEUE_BYTES,
  ACCEPT_QUEUE_DELIVERIES,
  DELIVERIES_PER_PUBLISH,
  ORDERED_DELIVERY_COST,
} from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Clock } from '../model/clock.ts';
import { type Endpoint, heldReason } from '../model/endpoint.ts';
import type { Ids } from '../model/id.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import type { NewMessage } from '../model/message.ts';
import { type Publish, type PublishResult, type Store, StoreError } from '../store/store.ts';

/** What a publisher hands over. */
export interface PublishMessage {
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** JSON text of an object, kept to the byte. */
  readonly payload: string;
  /** When delivery begins, ms since the Unix epoch; null, or a time that is over: at once. */
  readonly deliverAt: number | null;
  /** When it is not worth sending any more, ms since the Unix epoch; null: never. */
  readonly expiresAt: number | null;
  /** What endpoints that are ordered by key order it by. */
  readonly orderingKey: string | null;
  /** When the payload is expunged, ms since the Unix epoch; null: after `PAYLOAD_KEPT_MS`. */
  readonly payloadUntil: number | null;
}

export interface PublishRequest {
  readonly application: Application;
  /** At least one; taken whole or not at all. */
  readonly messages: readonly PublishMessage[];
  /** The one endpoint to send to, whatever its filters say; null: to all that want it. */
  readonly onlyEndpointKey: number | null;
  readonly idempotency: Publish['idempotency'];
}

export type PublishOutcome =
  | { readonly kind: 'accepted'; readonly messages: readonly NewMessage[] }
  /** The same call came before: the ids it was answered with then. */
  | { readonly kind: 'replayed'; readonly messageIds: readonly string[] };

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
  store: Store;
  clock: Clock;
  ids: Ids;
  fences: { next(): number };
  lanes: Lanes;
  /** The store is broken: the process must not go on. */
  broken(error: Error): void;
  /** The application's endpoints, from memory when they are there. */
  endpoints(applicationKey: number): EndpointTable | Promise<EndpointTable>;
  /** A delivery was stored as held by a pause that had ended by then: nobody else lets it go. */
  heldLate(applicationKey: number, endpointKey: number): void;
}

type EndpointTable = readonly { readonly endpoint: Endpoint }[];

interface Waiting {
  readonly request: PublishRequest;
  readonly bytes: number;
  /** How many it leads to at the most. */
  readonly deliveries: number;
  /** What these cost in a transaction: as many deliveries that are not ordered. */
  readonly cost: number;
  readonly resolve: (outcome: PublishOutcome) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Group commit: publishes that arrive together go into one transaction, messages and deliveries, and are answered
 * after it. There is no waiting window: a transaction takes what has gathered while the one before it was written.
 * (In the prototype a window of 2 ms halved the rate of a closed loop of single publishes.)
 */
export class Accept {
  readonly #options: AcceptOptions;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #queuedDeliveries = 0;
  #running = false;
  #idle: (() => void)[] = [];

  constructor(options: AcceptOptions) {
    this.#options = options;
  }

  /** Resolves after the commit. Rejects with `ApiError`: `conflict`, `idempotency_mismatch`, `too_many_requests`, `unavailable`. */
  publish(request: PublishRequest): Promise<PublishOutcome> {
    const table = this.#options.endpoints(request.application.key);
    if (table instanceof Promise) {
      return table.then(
        () => this.publish(request),
        (error: unknown) => Promise.reject(asApiError(error)),
      );
    }
    let bytes = 0;
    for (const message of request.messages) bytes += message.payload.length;
    const deliveries = request.messages.length * reach(request, table);
    if (this.#isFull(bytes, deliveries)) {
      return Promise.reject(new ApiError('too_many_requests', undefined, { retryAfterSeconds: 1 }));
    }
    return new Promise((resolve, reject) => {
      const cost = request.messages.length * costOf(request, table);
      this.#queue.push({ request, bytes, deliveries, cost, resolve, reject });
      this.#queuedBytes += bytes;
      this.#queuedDeliveries += deliveries;
      if (this.#running) return;
      this.#running = true;
      this.#options.clock.soon(() => void this.#run());
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

  /** Resolves when every publish so far has been answered. */
  drained(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#take();
      try {
        await this.#commit(batch);
      } catch (error) {
        for (const waiting of batch) waiting.reject(asApiError(error));
      }
      // A store that answers at once would otherwise keep the event loop until the queue is empty.
      if (this.#queue.length > 0) await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** An empty queue takes anything. */
  #isFull(bytes: number, deliveries: number): boolean {
    if (this.#queue.length === 0) return false;
    return (
      this.#queuedBytes + bytes > ACCEPT_QUEUE_BYTES ||
      this.#queuedDeliveries + deliveries > ACCEPT_QUEUE_DELIVERIES
    );
  }

  /** What goes into the next transaction: at least one publish, and no more than ends within milliseconds. */
  #take(): Waiting[] {
    let messages = 0;
    let bytes = 0;
    let cost = 0;
    let end = 0;
    for (const waiting of this.#queue) {
      messages += waiting.request.messages.length;
      bytes += waiting.bytes;
      cost += waiting.cost;
      const full =
        messages > ACCEPT_BATCH_MESSAGES || bytes > ACCEPT_BATCH_BYTES || cost > ACCEPT_BATCH_DELIVERIES;
      if (end > 0 && full) break;
      end++;
    }
    const batch = this.#queue.splice(0, end);
    for (const waiting of batch) {
      this.#queuedBytes -= waiting.bytes;
      this.#queuedDeliveries -= waiting.deliveries;
    }
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { store, clock, fences, lanes } = this.#options;
    const now = clock.now();
    const fence = fences.next();
    const taken: Waiting[] = [];
    const publishes: Publish[] = [];
    for (const waiting of batch) {
      const messages = await this.#fanOut(waiting, now);
      if (messages === null) continue;
      taken.push(waiting);
      publishes.push({
        applicationKey: waiting.request.application.key,
        messages,
        idempotency: waiting.request.idempotency,
      });
    }
    if (publishes.length === 0) return;
    let results: PublishResult[];
    try {
      results = await store.messageAccept({ publishes, fence, now });
    } catch (error) {
      for (const publish of publishes) unadmit(lanes, publish.messages);
      if (error instanceof StoreError && error.code === 'broken') this.#options.broken(error);
      throw error;
    }
    const leased: LeasedDelivery[] = [];
    results.forEach((result, index) => {
      const { messages } = publishes[index] as Publish;
      const waiting = taken[index] as Waiting;
      if (result.kind === 'accepted') {
        handOver(lanes, messages, result.messageKeys, fence, now, leased);
        waiting.resolve({ kind: 'accepted', messages });
        return;
      }
      unadmit(lanes, messages);
      if (result.kind === 'replayed') waiting.resolve({ kind: 'replayed', messageIds: result.messageIds });
      else waiting.reject(refusal(result));
    });
    if (leased.length > 0) lanes.push(leased);
    publishes.forEach((publish, index) => {
      if (results[index]?.kind === 'accepted') this.#lookAgain(publish);
    });
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
    const look = (table: EndpointTable) => {
      for (const { endpoint } of table) {
        if (paused.has(endpoint.key) && heldReason(endpoint) === null)
          this.#options.heldLate(applicationKey, endpoint.key);
      }
    };
    const table = this.#options.endpoints(applicationKey);
    // An application that is gone, or a store that fails: then nobody ended the pause.
    if (table instanceof Promise) table.then(look, () => {});
    else look(table);
  }

  /** The publish's messages with their deliveries. A publish that cannot be taken is refused here, alone: null. */
  async #fanOut(waiting: Waiting, now: number): Promise<NewMessage[] | null> {
    const { ids, lanes, endpoints } = this.#options;
    const { application, messages, onlyEndpointKey } = waiting.request;
    let table: EndpointTable;
    try {
      table = await endpoints(application.key);
    } catch (error) {
      waiting.reject(asApiError(error));
      return null;
    }
    if (messages.length * reach(waiting.request, table) > DELIVERIES_PER_PUBLISH) {
      waiting.reject(
        new ApiError(
          'payload_too_large',
          `One call may lead to at most ${DELIVERIES_PER_PUBLISH} deliveries. Publish fewer messages at once.`,
        ),
      );
      return null;
    }
    return messages.map((message) => {
      const deliverAt = message.deliverAt !== null && message.deliverAt > now ? message.deliverAt : null;
      // What is for later waits in the store, whatever room there is now.
      const admit = (endpointKey: number) =>
        deliverAt === null && lanes.admit(application.key, endpointKey, message.payload.length);
      return {
        ...message,
        id: ids.next('msg'),
        deliverAt,
        createdAt: now,
        deliveries: fanOut(message, table, onlyEndpointKey, admit),
      };
    });
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
  if (error instanceof StoreError) return new ApiError('unavailable', undefined, { retryAfterSeconds: 2 });
  return error instanceof Error ? error : new Error(String(error));
}
