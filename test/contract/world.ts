import { test } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import type { Delivery, Verdict } from '../../src/model/delivery.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { hashKeyText, type Key } from '../../src/model/key.ts';
import { firstFence, type LeasedDelivery } from '../../src/model/lease.ts';
import type { NewDelivery, NewMessage } from '../../src/model/message.ts';
import type { AttemptResult, NewApplication, NewEndpoint, Publish, Store } from '../../src/store/store.ts';

/** What a driver brings to the contract: an empty store that can be closed and opened again on the same data. */
export interface ContractWorld {
  store: Store;
  /** Closes the store and opens it on the same data. */
  reopen(): Promise<Store>;
  dispose(): Promise<void>;
}

export type OpenWorld = () => Promise<ContractWorld>;
/** A test with a world of its own. */
export type ContractTest = (title: string, body: (given: Given) => Promise<void>) => void;

/** 1 January 2026. */
export const NOW = Date.UTC(2026, 0, 1);

/** Some tests commit a thousand times: a slow disk takes 20 ms for each. */
const SLOW_DISK_MS = 60_000;

export function contractTest(open: OpenWorld): ContractTest {
  return (title, body) =>
    test(title, { timeout: SLOW_DISK_MS }, async () => {
      const world = await open();
      try {
        await body(new Given(world));
      } finally {
        await world.dispose();
      }
    });
}

/** Fills a store with what a test needs and does not care about in detail. Ids ascend. */
export class Given {
  store: Store;
  readonly #world: ContractWorld;
  #ids = 0;
  #fences = 0;

  constructor(world: ContractWorld) {
    this.#world = world;
    this.store = world.store;
  }

  async reopen(): Promise<void> {
    this.store = await this.#world.reopen();
  }

  id(prefix: string): string {
    return `${prefix}_${String(++this.#ids).padStart(27, '0')}`;
  }

  /** A new fence of this opening, above all before. */
  fence(): number {
    return firstFence(this.store.epoch) + ++this.#fences;
  }

  newApplication(fields: Partial<NewApplication> = {}): NewApplication {
    const id = this.id('app');
    return { id, uid: null, name: 'Acme', throttleRate: null, metadata: {}, now: NOW, ...fields };
  }

  async application(fields: Partial<NewApplication> = {}): Promise<Application> {
    const inserted = await this.store.applicationInsert(this.newApplication(fields));
    if (inserted === null) throw new Error('The application was not inserted.');
    return inserted;
  }

  newEndpoint(applicationKey: number, fields: Partial<NewEndpoint> = {}): NewEndpoint {
    return {
      applicationKey,
      id: this.id('ep'),
      uid: null,
      url: 'https://example.com/hook',
      href: 'https://example.com/hook',
      description: '',
      disabled: false,
      disabledReason: null,
      disabledAt: null,
      pausedAt: null,
      eventTypes: null,
      channels: null,
      throttleRate: null,
      maxInFlight: 32,
      ordering: 'none',
      retrySchedule: null,
      finalStatuses: [],
      version: 1,
      metadata: {},
      sealedHeaders: null,
      sealedSecret: Buffer.from('sealed'),
      secretExpiries: [],
      now: NOW,
      ...fields,
    };
  }

  async endpoint(applicationKey: number, fields: Partial<NewEndpoint> = {}): Promise<Endpoint> {
    const params = { ...this.newEndpoint(applicationKey, fields), limit: 10_000 };
    const inserted = await this.store.endpointInsert(params);
    if (typeof inserted === 'string') throw new Error(`The endpoint was not inserted: ${inserted}.`);
    return inserted;
  }

  /** An application with so many endpoints. */
  async company(endpoints = 1): Promise<{ application: Application; keys: [number, ...number[]] }> {
    const application = await this.application();
    const keys: number[] = [];
    for (let count = 0; count < endpoints; count++) keys.push((await this.endpoint(application.key)).key);
    return { application, keys: keys as [number, ...number[]] };
  }

  /** An operator's key. */
  key(fields: Partial<Key> = {}): Key {
    const id = this.id('key');
    return {
      id,
      name: 'CI',
      slot: null,
      hash: hashKeyText(id),
      applicationKey: null,
      capabilities: null,
      featureFlags: [],
      createdAt: NOW,
      expiresAt: null,
      lastUsedAt: null,
      replacedBy: null,
      ...fields,
    };
  }

  message(fields: Partial<NewMessage> = {}): NewMessage {
    return {
      id: this.id('msg'),
      eventId: null,
      eventType: 'ticket.created',
      channels: null,
      tags: null,
      payload: '{}',
      deliverAt: null,
      expiresAt: null,
      orderingKey: null,
      payloadUntil: null,
      createdAt: NOW,
      deliveries: [],
      ...fields,
    };
  }

  publish(applicationKey: number, ...messages: NewMessage[]): Publish {
    return { applicationKey, messages, idempotency: null };
  }

  /** Accepts one message to these endpoints; returns its key. */
  async accepted(
    applicationKey: number,
    endpointKeys: readonly number[],
    options: {
      state?: NewDelivery['state'];
      now?: number;
      fence?: number;
      orderKey?: string | null;
      message?: Partial<NewMessage>;
    } = {},
  ): Promise<number> {
    const { state = 'pending', now = NOW, fence = this.fence(), orderKey = null } = options;
    const deliveries = endpointKeys.map((endpointKey) => delivery(endpointKey, state, orderKey));
    const publishes = [this.publish(applicationKey, this.message({ ...options.message, deliveries }))];
    const [result] = await this.store.messageAccept({ publishes, fence, now });
    if (result?.kind !== 'accepted') throw new Error('The message was not accepted.');
    return result.messageKeys[0] as number;
  }

  /** The lease of a delivery that was accepted as `sending` under this fence. */
  lease(messageKey: number, endpointKey: number, fence: number, orderKey: string | null = null) {
    return { messageKey, endpointKey, fence, resendKey: null, orderKey };
  }

  /** Asks for a resend and claims it with whatever else is due then. Returns its lease. */
  async resendLeased(messageKey: number, endpointKey: number): Promise<LeasedDelivery> {
    await this.store.resendInsert({ messageKey, endpointKey, now: NOW, limit: 100 });
    const params = { endpointKey, dueBy: NOW, limit: 100, fence: this.fence() };
    const { claimed } = await claimDue(this.store, params);
    const lease = claimed.find((each) => each.resendKey !== null && each.messageKey === messageKey);
    if (lease === undefined) throw new Error('The resend was not claimed.');
    return lease;
  }

  /** A delivery as it is in the store. */
  async deliveryOf({
    messageKey,
    endpointKey,
  }: {
    messageKey: number;
    endpointKey: number;
  }): Promise<Delivery> {
    const [found] = await this.store.deliveryFind({ endpointKey, messageKeys: [messageKey] });
    if (found === undefined) throw new Error('There is no such delivery.');
    return found;
  }

  /** An attempt at a leased delivery that ended with `verdict`. */
  result(
    lease: AttemptResult['lease'],
    verdict: Verdict,
    fields: Partial<AttemptResult['attempt']> = {},
  ): AttemptResult {
    const exchange = {
      startedAt: NOW,
      durationMs: 12,
      status: 200,
      body: 'ok',
      requestHeaders: 'content-type\napplication/json',
      responseHeaders: '',
      retryAfter: null,
      error: null,
    };
    const { messageKey, endpointKey } = lease;
    const attempt = {
      id: this.id('atmpt'),
      messageKey,
      endpointKey,
      number: 1,
      trigger: 'scheduled' as const,
    };
    return {
      lease,
      verdict,
      announce: null,
      keepLease: false,
      attempt: { ...attempt, url: 'https://example.com/hook', exchange, ...fields },
    };
  }
}

/** A delivery as fan-out makes it. */
export function delivery(
  endpointKey: number,
  state: NewDelivery['state'] = 'pending',
  orderKey: string | null = null,
): NewDelivery {
  if (state === 'held') return { endpointKey, state, reason: 'endpoint_disabled', orderKey };
  return { endpointKey, state, orderKey };
}

/** A page with room for all that a test makes. */
export const ALL = { limit: 100, before: null, after: null };

/** A claim for one endpoint, with room for any payload. */
export async function claimDue(
  store: Store,
  params: { endpointKey: number | undefined; dueBy: number; limit: number; fence: number },
) {
  const { endpointKey = 0, dueBy, limit, fence } = params;
  const lane = { endpointKey, deliveries: limit, characters: 1e9 };
  const [result] = await store.deliveryClaimDue({ lanes: [lane], characters: 1e9, dueBy, fence });
  return result as NonNullable<typeof result>;
}
