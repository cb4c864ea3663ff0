import type { PublishMessage } from '../../src/accept/accept.ts';
import { createEngine, type Engine, type EngineOptions } from '../../src/engine.ts';
import { NODE_LEASE_MS } from '../../src/limits.ts';
import type { Application } from '../../src/model/application.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { createIds } from '../../src/model/id.ts';
import type { MasterKey } from '../../src/model/sealed.ts';
import type { EndpointFields } from '../../src/registry/registry.ts';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { type ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { faultyStore } from './faulty-store.ts';
import type { Receivers } from './receivers.ts';

export const DELAYS_MS = [2_000, 20_000, 60_000];
export const JITTER = 0.2;
const TIMEOUT_MS = 15_000;

const masterKey: MasterKey = { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) };
const PLAIN: Omit<PublishMessage, 'payload'> = {
  eventType: 'ticket.created',
  eventId: null,
  channels: null,
  tags: null,
  deliverAt: null,
  expiresAt: null,
  orderingKey: null,
  payloadUntil: null,
};
const silent = { info: () => {}, warn: () => {} };

/** One run of the engine over a real SQLite file, in a world whose clock and receivers the test drives. */
export class Process {
  readonly store: Store;
  readonly engine: Engine;
  readonly #kill: () => void;

  private constructor(store: Store, engine: Engine, kill: () => void) {
    this.store = store;
    this.engine = engine;
    this.#kill = kill;
  }

  static async start(params: {
    folder: string;
    clock: ManualClock;
    seed: number;
    receivers: Receivers;
    scheduleLimits?: EngineOptions['scheduleLimits'];
    /** Share of the store's calls that are refused while there are faults. */
    refused?: number;
    disableAfterMs?: number;
    /** `DELAYS_MS` when left out. */
    delaysMs?: readonly number[];
    /** How long messages are kept; for good when left out. */
    keepMs?: number;
  }): Promise<Process> {
    const { folder, clock, seed, receivers, scheduleLimits } = params;
    const store = await openSqliteStore({ folder });
    const random = seededRandom(seed);
    // A dead process neither hears answers nor sees timers: its part of the clock stops with it.
    let alive = true;
    const ownClock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      timer: (delayMs: number, fire: () => void) => clock.timer(delayMs, () => alive && fire()),
      soon: (fire: () => void) => clock.soon(() => alive && fire()),
    };
    let sender: ReturnType<Receivers['sender']> | undefined;
    const engine = createEngine({
      store: faultyStore(store, {
        clock: ownClock,
        random,
        faulty: () => receivers.faulty,
        refused: params.refused ?? 0.05,
      }),
      clock: ownClock,
      random,
      ids: createIds(clock, random),
      masterKey,
      disableAfterMs: params.disableAfterMs ?? null,
      retrySchedule: { delaysMs: params.delaysMs ?? DELAYS_MS, jitter: JITTER },
      requestTimeoutMs: TIMEOUT_MS,
      scheduleLimits,
      makeSender: (onResults) => {
        sender = receivers.sender(onResults);
        return sender;
      },
      broken: (error) => {
        throw error;
      },
      onApplicationDeleted: () => {},
      onKeysChanged: () => {},
      node: { name: 'simulated', leaseMs: NODE_LEASE_MS.usual },
      keepMs: params.keepMs ?? null,
      log: silent,
    });
    await engine.start();
    return new Process(store, engine, () => {
      alive = false;
      sender?.kill();
    });
  }

  application(uid = 'acme', throttleRate: number | null = null): Promise<Application> {
    return this.engine.registry.applicationCreate({ uid, name: uid, throttleRate, metadata: {} });
  }

  async endpoint(
    application: Application,
    href: string,
    throttleRate: number | null = null,
    fields: Partial<EndpointFields> = {},
  ): Promise<Endpoint> {
    const { endpoint } = await this.engine.registry.endpointCreate(application, {
      url: href,
      href,
      uid: null,
      description: '',
      disabled: false,
      eventTypes: null,
      channels: null,
      throttleRate,
      version: 1,
      metadata: {},
      headers: {},
      secret: null,
      ...fields,
    });
    return endpoint;
  }

  /** Publishes one message. The id once it is acknowledged; null when it was refused. A dead process never answers. */
  async publish(
    application: Application,
    payload: string,
    fields: Partial<PublishMessage> = {},
  ): Promise<string | null> {
    const messages = [{ ...PLAIN, payload, ...fields }];
    const request = { application, messages, onlyEndpointKey: null, idempotency: null };
    try {
      const outcome = await this.engine.accept.publish(request);
      return outcome.kind === 'accepted' ? (outcome.messages[0]?.id ?? null) : null;
    } catch {
      return null;
    }
  }

  /** As SIGKILL: nothing is finished, nothing said. */
  async kill(): Promise<void> {
    this.#kill();
    await this.store.close();
  }
}
