import { test } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import type { Delivery, Verdict } from '../../src/model/delivery.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { hashKeyText, type Key } from '../../src/model/key.ts';
import { firstFence, type LeasedDelivery } from '../../src/model/lease.ts';
import type { NewDelivery, NewMessage } from '../../src/model/message.ts';
import type {
  AttemptResult,
  MessageRef,
  NewApplication,
  NewEndpoint,
  Publish,
  PublishResult,
  Store,
} from '../../src/store/store.ts';

/** What a driver brings to the contract. */
export interface ContractDriver {
  readonly name: string;
  /** As in `NodeStore`. */
  readonly shared: boolean;
  /** An empty store. */
  open(): Promise<ContractWorld>;
  /** By title: tests that cannot hold for this driver, and why. Each is run, and has to fail: one that holds after all is not to be left out. */
  readonly skips?: Readonly<Record<string, string>>;
  /** Sequences of random calls that are held against the model; fewer where each takes long. `POSTHORN_MODEL_RUNS` asks for another number. */
  readonly modelRuns?: number;
}

export interface ContractWorld {
  readonly store: Store;
  /** Closes the store, as a process that died leaves it, and opens it on the same data. */
  reopen(): Promise<Store>;
  /** Opens the same data beside it, as another process does. Rejects where only one can have it. */
  another(): Promise<Store>;
  /** Closes what `store` and `reopen` gave, and removes the data. */
  dispose(): Promise<void>;
}

/** A test with a world of its own. */
export type ContractTest = (title: string, body: (given: Given) => Promise<void>) => void;

/** 1 January 2026. */
export const NOW = Date.UTC(2026, 0, 1);

/** Some tests commit a thousand times: a slow disk takes 20 ms for each. */
const SLOW_DISK_MS = 60_000;

/** How long a node of a test lives without a beat: longer than any test. */
const LEASE_MS = 3_600_000;

/** `seen` gets the titles of all tests that were declared. */
export function contractTest({ open, skips = {} }: ContractDriver, seen: string[] = []): ContractTest {
  return (title, body) => {
    seen.push(title);
    const run = async () => {
      const world = await open();
      const given = new Given(world);
      try {
        await given.join();
        await body(given);
      } finally {
        await given.closeOthers();
        await world.dispose();
      }
    };
    const reason = skips[title];
    if (reason === undefined) test(title, { timeout: SLOW_DISK_MS }, run);
    else test.fails(`does not hold, as ${reason}: ${title}`, { timeout: SLOW_DISK_MS }, run);
  };
}

/** A publish of which the application's revision is looked up. */
export type GivenPublish = Omit<Publish, 'revision'>;
interface AcceptParams {
  publishes: readonly GivenPublish[];
  fence: number;
  now: number;
}

/** Fills a store with what a test needs and does not care about in detail. Ids ascend. */
export class Given {
  store: Store;
  /** Of the node that the store was joined as. */
  epoch = 0;
  readonly #world: ContractWorld;
  readonly #others: Store[] = [];
  /** The applications of endpoints and of messages. */
  readonly #ofEndpoint = new Map<number, number>();
  readonly #ofMessage = new Map<number, number>();
  #ids = 0;
  #fences = 0;

  constructor(world: ContractWorld) {
    this.#world = world;
    this.store = world.store;
  }

  async reopen(): Promise<void> {
    this.store = await this.#world.reopen();
    await this.join();
  }

  /** Becomes a node, as a process does when it starts. */
  async join(): Promise<void> {
    this.epoch = (await this.store.nodeJoin({ name: 'given', leaseMs: LEASE_MS })).epoch;
  }

  /** The store as another process has it, which joined nothing yet. */
  async another(): Promise<Store> {
    const store = await this.#world.another();
    this.#others.push(store);
    return store;
  }

  async closeOthers(): Promise<void> {
    for (const store of this.#others) await store.close();
  }

  id(prefix: string): string {
    return `${prefix}_${String(++this.#ids).padStart(27, '0')}`;
  }

  /** A new fence of this opening, above all before. */
  fence(): number {
    return firstFence(this.epoch) + ++this.#fences;
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
    this.#ofEndpoint.set(inserted.key, applicationKey);
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

  publish(applicationKey: number, ...messages: NewMessage[]): GivenPublish {
    return { applicationKey, messages, idempotency: null };
  }

  /** `messageAccept`, by what the applications are now. */
  async accept({ publishes, ...params }: AcceptParams): Promise<PublishResult[]> {
    const revisions = new Map<number, number>();
    for (const { applicationKey } of publishes) {
      if (revisions.has(applicationKey)) continue;
      const application = await this.store.applicationFindByKey({ applicationKey });
      revisions.set(applicationKey, application?.revision ?? 0);
    }
    const current = publishes.map((publish) => ({
      ...publish,
      revision: revisions.get(publish.applicationKey) as number,
    }));
    const results = await this.store.messageAccept({ ...params, publishes: current });
    results.forEach((result, index) => {
      const { applicationKey } = current[index] as Publish;
      if (result.kind !== 'accepted') return;
      for (const messageKey of result.messageKeys) this.#ofMessage.set(messageKey, applicationKey);
    });
    return results;
  }

  /** Names a message that was accepted here. */
  ref(messageKey: number): MessageRef {
    const applicationKey = this.#ofMessage.get(messageKey);
    if (applicationKey === undefined) throw new Error(`No message ${messageKey} was accepted here.`);
    return { applicationKey, messageKey };
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
    const [result] = await this.accept({ publishes, fence, now });
    if (result?.kind !== 'accepted') throw new Error('The message was not accepted.');
    return result.messageKeys[0] as number;
  }

  /** The lease of a delivery that was accepted as `sending` under this fence. */
  lease(messageKey: number, endpointKey: number, fence: number, orderKey: string | null = null) {
    return { messageKey, endpointKey, fence, resendKey: null, orderKey };
  }

  /** `deliveryRecord`: whether each fence held. */
  async record(params: Parameters<Store['deliveryRecord']>[0]): Promise<readonly boolean[]> {
    return (await this.store.deliveryRecord(params)).held;
  }

  /** Releases all that is leased below a fence; returns how many. */
  async release(before: number, now = NOW): Promise<number> {
    const range = { from: 0, before, now, limit: 1_000 };
    const { released, more } = await this.store.deliveryRelease(range);
    if (more) throw new Error('There is more to release than a test makes.');
    return released;
  }

  /** Releases all that processes left leased that were nodes before this one. */
  releaseEarlier(now = NOW): Promise<number> {
    return this.release(firstFence(this.epoch), now);
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
    const applicationKey = this.#ofEndpoint.get(endpointKey) ?? this.ref(messageKey).applicationKey;
    return {
      applicationKey,
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
