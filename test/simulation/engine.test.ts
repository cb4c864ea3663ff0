import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { IN_FLIGHT_PER_ENDPOINT } from '../../src/limits.ts';
import { createIds } from '../../src/model/id.ts';
import type { MasterKey } from '../../src/model/sealed.ts';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { faultyStore } from './faulty-store.ts';
import { type Hit, type Manner, Receivers } from './receivers.ts';

/**
 * The real engine over a real SQLite file, with a clock that the test moves and receivers that a seed drives. The
 * process dies and starts again at random moments. `POSTHORN_SIMULATION_SEEDS=7,8` replays seeds.
 */
const seeds = (process.env.POSTHORN_SIMULATION_SEEDS ?? '1,2,3,4,5,6,7,8').split(',').map(Number);
const MANNERS: Manner[] = [
  'works',
  'works',
  'slow',
  'fails often',
  'always fails',
  'hangs',
  'asks for patience',
];
const DELAYS_MS = [2_000, 20_000, 60_000];
const JITTER = 0.2;
const TIMEOUT_MS = 15_000;
const SMALL = { resident: 14, residentPerEndpoint: 8, residentCharacters: 2_000, inFlight: 12, claim: 4 };
/** While the store refuses, an outcome waits in memory up to 5 s for the next try. */
const RECORDED_WITHIN_MS = 6_000;
const masterKey: MasterKey = { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) };
const silent = { info: () => {}, warn: () => {} };

class Process {
  readonly store: Store;
  readonly engine: Engine;
  readonly #kill: () => void;

  private constructor(store: Store, engine: Engine, kill: () => void) {
    this.store = store;
    this.engine = engine;
    this.#kill = kill;
  }

  static async start(
    folder: string,
    clock: ManualClock,
    seed: number,
    receivers: Receivers,
  ): Promise<Process> {
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
      // Every other seed has so little room that most deliveries wait in the store.
      ...(Math.floor(seed / 1_000) % 2 === 0 && { scheduleLimits: SMALL }),
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

  async kill(): Promise<void> {
    this.#kill();
    await this.store.close();
  }
}

async function simulate(seed: number, folder: string) {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const receivers = new Receivers(clock, random);
  let process = await Process.start(folder, clock, seed * 1_000, receivers);
  const application = await process.engine.registry.applicationCreate({
    uid: 'acme',
    name: 'Acme',
    throttleRate: null,
    metadata: {},
  });
  for (const [index, manner] of MANNERS.entries()) {
    const href = `http://receiver-${index}.example.com/`;
    receivers.manners.set(href, manner);
    const fields = {
      uid: null,
      description: '',
      disabled: false,
      eventTypes: null,
      channels: null,
      throttleRate: null,
    };
    await process.engine.registry.endpointCreate(application, {
      ...fields,
      url: href,
      href,
      metadata: {},
      headers: {},
      secret: null,
    });
  }
  const acknowledged = new Map<string, string>();
  const kills: number[] = [];
  for (let step = 0; step < 60; step++) {
    const count = Math.floor(random.fraction() * 12);
    for (let n = 0; n < count; n++) {
      const payload = `{"step":${step},"n":${n}}`;
      const messages = [{ eventType: 'ticket.created', eventId: null, channels: null, tags: null, payload }];
      process.engine.accept.publish({ application, messages, idempotency: null }).then(
        (outcome) =>
          outcome.kind === 'accepted' &&
          acknowledged.set((outcome.messages[0] as { id: string }).id, payload),
        () => {},
      );
    }
    await clock.advance(Math.floor(random.fraction() * 4_000));
    if (random.fraction() < 0.12) {
      await process.kill();
      kills.push(clock.now());
      await clock.advance(Math.floor(random.fraction() * 5_000));
      process = await Process.start(folder, clock, seed * 1_000 + step + 1, receivers);
    }
  }
  receivers.faulty = false;
  for (let minutes = 0; minutes < 10; minutes++) await clock.advance(60_000);
  return { process, application, acknowledged, receivers, kills };
}

describe('the engine, simulated', () => {
  it.each(seeds)(
    'seed %i: loses nothing, doubles only what a crash caught, keeps its times and limits',
    async (seed) => {
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-simulation-'));
      const { process, application, acknowledged, receivers, kills } = await simulate(seed, folder);
      try {
        expect(acknowledged.size).toBeGreaterThan(100);
        expect(await process.store.deliveryCountOpen()).toEqual({ pending: 0, sending: 0, held: 0 });
        expect(process.engine.inFlight).toBe(0);
        for (const most of receivers.mostUnderWay.values())
          expect(most).toBeLessThanOrEqual(IN_FLIGHT_PER_ENDPOINT);

        const hitsOf = Map.groupBy(receivers.hits, (hit) => `${hit.messageId} ${hit.href}`);
        for (const [id, payload] of acknowledged) {
          const message = await process.store.messageFind({ applicationKey: application.key, ref: id });
          expect(message?.payload).toBe(payload);
          const deliveries = await process.store.deliveryList({ messageKey: message?.key as number });
          expect(deliveries).toHaveLength(MANNERS.length);
          const attempts = await process.store.attemptListByMessage({
            messageKey: message?.key as number,
            limit: 250,
            before: null,
            after: null,
          });
          for (const delivery of deliveries) {
            const hits = hitsOf.get(`${id} ${delivery.endpoint.href}`) ?? [];
            const own = attempts.filter((attempt) => attempt.endpointKey === delivery.endpointKey).reverse();
            checkDelivery({
              state: delivery.state,
              hits,
              own: own.map((attempt) => attempt.exchange),
              kills,
            });
          }
        }
      } finally {
        await process.kill();
        await rm(folder, { recursive: true });
      }
    },
  );
});

function checkDelivery(params: {
  state: string;
  hits: Hit[];
  own: { startedAt: number; durationMs: number; status: number | null }[];
  kills: number[];
}): void {
  const { state, hits, own, kills } = params;
  expect(['succeeded', 'failed']).toContain(state);
  if (state === 'failed') expect(own).toHaveLength(DELAYS_MS.length + 1);
  else expect(own.at(-1)?.status).toBe(200);
  expect(own.filter((attempt) => attempt.status === 200).length).toBe(state === 'succeeded' ? 1 : 0);

  // Every hit is on record, but for those whose end a crash kept from being recorded.
  const recorded = new Set(own.map((attempt) => attempt.startedAt));
  for (const hit of hits) {
    if (recorded.has(hit.startedAt)) continue;
    const caught = kills.some(
      (kill) => kill >= hit.startedAt && kill <= (hit.endedAt ?? kill) + RECORDED_WITHIN_MS,
    );
    expect(caught, `an unrecorded hit at ${hit.startedAt} without a crash`).toBe(true);
  }
  expect(own.length).toBeLessThanOrEqual(hits.length);

  // No attempt before its time, and none while the one before it was under way.
  own.forEach((attempt, index) => {
    const before = own[index - 1];
    if (before === undefined) return;
    const earliest = before.startedAt + before.durationMs + (DELAYS_MS[index - 1] as number) * (1 - JITTER);
    expect(attempt.startedAt).toBeGreaterThanOrEqual(Math.floor(earliest));
    if (before.status === 429)
      expect(attempt.startedAt).toBeGreaterThanOrEqual(before.startedAt + before.durationMs + 45_000);
  });
}
