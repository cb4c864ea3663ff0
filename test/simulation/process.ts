import { createEngine, type Engine, type EngineOptions } from '../../src/engine.ts';
import type { Application } from '../../src/model/application.ts';
import { createIds } from '../../src/model/id.ts';
import type { MasterKey } from '../../src/model/sealed.ts';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { type ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { faultyStore } from './faulty-store.ts';
import type { Receivers } from './receivers.ts';

export const DELAYS_MS = [2_000, 20_000, 60_000];
export const JITTER = 0.2;
const TIMEOUT_MS = 15_000;

const masterKey: MasterKey = { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) };
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
      store: faultyStore(store, ownClock, random, () => receivers.faulty),
      clock: ownClock,
      random,
      ids: createIds(clock, random),
      masterKey,
      retrySchedule: { delaysMs: DELAYS_MS, jitter: JITTER },
      requestTimeoutMs: TIMEOUT_MS,
      scheduleLimits,
      makeSender: (onResults) => {
        sender = receivers.sender(onResults);
        return sender;
      },
      broken: (error) => {
        throw error;
      },
      log: silent,
    });
    await engine.start();
    return new Process(store, engine, () => {
      alive = false;
      sender?.kill();
    });
  }

  application(): Promise<Application> {
    const fields = { uid: 'acme', name: 'Acme', throttleRate: null, metadata: {} };
    return this.engine.registry.applicationCreate(fields);
  }

  async endpoint(application: Application, href: string): Promise<number> {
    const { endpoint } = await this.engine.registry.endpointCreate(application, {
      url: href,
      href,
      uid: null,
      description: '',
      disabled: false,
      eventTypes: null,
      channels: null,
      throttleRate: null,
      metadata: {},
      headers: {},
      secret: null,
    });
    return endpoint.key;
  }

  /** Publishes one message. The id once it is acknowledged; null when it was refused. A dead process never answers. */
  async publish(application: Application, payload: string): Promise<string | null> {
    const messages = [{ eventType: 'ticket.created', eventId: null, channels: null, tags: null, payload }];
    try {
      const outcome = await this.engine.accept.publish({ application, messages, idempotency: null });
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
