import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IN_FLIGHT_PER_ENDPOINT } from '../../src/limits.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { DELAYS_MS, JITTER, Process } from './process.ts';
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
const SMALL = {
  resident: 14,
  residentPerEndpoint: 8,
  residentCharacters: 2_000,
  inFlight: 12,
  ahead: 4,
  claim: 4,
};
/** While the store refuses, an outcome waits in memory up to 5 s for the next try. */
const RECORDED_WITHIN_MS = 6_000;

async function simulate(seed: number, folder: string) {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const receivers = new Receivers(clock, random);
  // Every other seed has so little room that most deliveries wait in the store.
  const world = { folder, clock, receivers, ...(seed % 2 === 0 && { scheduleLimits: SMALL }) };
  let process = await Process.start({ ...world, seed: seed * 1_000 });
  const application = await process.application();
  for (const [index, manner] of MANNERS.entries()) {
    const href = `http://receiver-${index}.example.com/`;
    receivers.manners.set(href, manner);
    await process.endpoint(application, href);
  }
  const acknowledged = new Map<string, string>();
  const kills: number[] = [];
  for (let step = 0; step < 60; step++) {
    const count = Math.floor(random.fraction() * 12);
    for (let n = 0; n < count; n++) {
      const payload = `{"step":${step},"n":${n}}`;
      void process.publish(application, payload).then((id) => id !== null && acknowledged.set(id, payload));
    }
    await clock.advance(Math.floor(random.fraction() * 4_000));
    if (random.fraction() < 0.12) {
      await process.kill();
      kills.push(clock.now());
      await clock.advance(Math.floor(random.fraction() * 5_000));
      process = await Process.start({ ...world, seed: seed * 1_000 + step + 1 });
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
        expect(await process.store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
        expect(process.engine.inFlight).toBe(0);
        expect(process.engine.resident).toBe(0);
        for (const most of receivers.mostUnderWay.values())
          expect(most).toBeLessThanOrEqual(IN_FLIGHT_PER_ENDPOINT);

        const hitsOf = Map.groupBy(receivers.hits, (hit) => `${hit.messageId} ${hit.href}`);
        for (const [id, payload] of acknowledged) {
          const message = await process.store.messageFind({ applicationKey: application.key, ref: id });
          expect(message?.payload).toBe(payload);
          const of = { applicationKey: application.key, messageKey: message?.key as number };
          const all = { ...of, limit: 250, before: null, after: null };
          const deliveries = await process.store.deliveryList(all);
          expect(deliveries).toHaveLength(MANNERS.length);
          const attempts = (await process.store.attemptList(all)).rows;
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
