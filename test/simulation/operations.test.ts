import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import type { Attempt } from '../../src/model/attempt.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import { succeeded } from '../../src/model/exchange.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { Operator, type Published } from './operator.ts';
import { DELAYS_MS, JITTER, Process } from './process.ts';
import { type Hit, type Manner, Receivers } from './receivers.ts';

/**
 * The simulation of `engine.test.ts`, with a person who resends, disables, enables, recovers and expunges meanwhile, and
 * with throttles. `POSTHORN_SIMULATION_SEEDS=7,8` replays seeds.
 */
const seeds = (process.env.POSTHORN_SIMULATION_SEEDS ?? '1,2,3,4,5,6,7,8').split(',').map(Number);
const MANNERS: readonly [Manner, number | null][] = [
  ['works', null],
  ['slow', null],
  ['fails often', null],
  ['always fails', null],
  ['hangs', null],
  ['works', 2],
];
/** Of an application whose endpoints together get so many a second. */
const SHARED_MANNERS: readonly Manner[] = ['works', 'fails often', 'works'];
const SHARED_RATE = 3;
const SMALL = { resident: 24, residentPerEndpoint: 8, residentCharacters: 2_000, inFlight: 12, claim: 4 };
/** While the store refuses, an outcome waits in memory up to 5 s for the next try. */
const RECORDED_WITHIN_MS = 6_000;
/** What a throttle may catch up, in ms. */
const SLACK_MS = 50;

interface Simulated {
  process: Process;
  operator: Operator;
  receivers: Receivers;
  applications: Application[];
  endpoints: Map<string, Endpoint>;
  /** Stays disabled to the end. */
  held: Endpoint;
  kills: number[];
}

async function simulate(seed: number, folder: string): Promise<Simulated> {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const receivers = new Receivers(clock, random);
  const operator = new Operator(clock, random);
  const world = { folder, clock, receivers, refused: 0.15, ...(seed % 2 === 0 && { scheduleLimits: SMALL }) };
  let process = await Process.start({ ...world, seed: seed * 1_000 });
  const applications = [await process.application(), await process.application('shared', SHARED_RATE)];
  const [plain, shared] = applications as [Application, Application];
  const endpoints = new Map<string, Endpoint>();
  const add = async (application: Application, manner: Manner, throttleRate: number | null) => {
    const href = `http://receiver-${endpoints.size}.example.com/`;
    receivers.manners.set(href, manner);
    endpoints.set(href, await process.endpoint(application, href, throttleRate));
  };
  for (const [manner, throttleRate] of MANNERS) await add(plain, manner, throttleRate);
  for (const manner of SHARED_MANNERS) await add(shared, manner, null);

  const kills: number[] = [];
  for (let step = 0; step < 60; step++) {
    operator.act(process, applications, step);
    await clock.advance(Math.floor(random.fraction() * 4_000));
    if (random.fraction() < 0.1) {
      await process.kill();
      kills.push(clock.now());
      await clock.advance(Math.floor(random.fraction() * 5_000));
      process = await Process.start({ ...world, seed: seed * 1_000 + step + 1 });
      await operator.restarted(process, applications);
    }
  }

  receivers.faulty = false;
  // Everything comes to rest by itself: what was enabled is sent, what is disabled is held.
  for (let minutes = 0; minutes < 5; minutes++) await clock.advance(60_000);
  expect(await process.store.deliveryCountOpen({})).toMatchObject({ pending: 0, sending: 0 });
  expect(process.engine.resident).toBe(0);
  const held = endpoints.get('http://receiver-0.example.com/') as Endpoint;
  for (const endpoint of endpoints.values()) {
    const of = endpoint.applicationKey === plain.key ? plain : shared;
    void operator.setDisabled(process, of, endpoint.id, endpoint === held);
  }
  await clock.advance(1_000);
  for (const endpoint of endpoints.values()) {
    if (endpoint === held) continue;
    const of = endpoint.applicationKey === plain.key ? plain : shared;
    void process.engine.redelivery.recover(of, endpoint, { from: 0, to: clock.now() });
  }
  for (let minutes = 0; minutes < 6; minutes++) await clock.advance(60_000);
  return { process, operator, receivers, applications, endpoints, held, kills };
}

describe('the engine under an operator, simulated', () => {
  it.each(seeds)(
    'seed %i: loses nothing, sends nothing that is held, cancelled or too early',
    async (seed) => {
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-simulation-'));
      const simulated = await simulate(seed, folder);
      const { process, operator, receivers, endpoints, held, kills } = simulated;
      try {
        expect(operator.published.size).toBeGreaterThan(80);
        expect(operator.resent.length).toBeGreaterThan(5);
        expect(operator.spans.length).toBeGreaterThan(5);
        const open = await process.store.deliveryCountOpen({});
        expect(open).toMatchObject({ pending: 0, sending: 0 });
        expect(open).toEqual(await process.store.deliveryCountOpen({ endpointKey: held.key }));
        expect(process.engine.inFlight).toBe(0);
        expect(process.engine.resident).toBe(0);
        // Only those wait that their endpoint's being disabled keeps.
        const recoveries = await process.store.recoveryList();
        expect(recoveries.filter(({ endpointKey }) => endpointKey !== held.key)).toEqual([]);

        checkHits(simulated);
        checkPace(receivers.hits, kills, (hit) => endpoints.get(hit.href)?.throttleRate ?? null);
        const shared = endpoints.get('http://receiver-8.example.com/')?.applicationKey;
        const ofShared = receivers.hits.filter((hit) => endpoints.get(hit.href)?.applicationKey === shared);
        checkPace(
          ofShared.map((hit) => ({ ...hit, href: 'all' })),
          kills,
          () => SHARED_RATE,
        );
        for (const id of operator.published.keys()) await checkMessage(id, simulated);
      } finally {
        await process.kill();
        await rm(folder, { recursive: true });
      }
    },
  );
});

/** Nothing goes out before its time, to a disabled endpoint, or of an expunged message. */
function checkHits({ operator, receivers, endpoints }: Simulated): void {
  for (const { href, messageId, startedAt } of receivers.hits) {
    const { key } = endpoints.get(href) as Endpoint;
    const { deliverAt } = operator.published.get(messageId) ?? { deliverAt: null };
    if (!operator.resendAsked.has(`${messageId} ${key}`))
      expect(startedAt).toBeGreaterThanOrEqual(deliverAt ?? 0);
    expect(startedAt).toBeLessThanOrEqual(operator.expunged.get(messageId) ?? Number.POSITIVE_INFINITY);
    for (const { endpointKey, from, until } of operator.spans) {
      if (endpointKey === key && startedAt > from && startedAt < until) {
        expect.unreachable(`sent at ${startedAt} to what was disabled from ${from} to ${until}`);
      }
    }
  }
}

/** No second has more than the rate, and what a throttle may catch up. A new process knows nothing of the last one's pace. */
function checkPace(
  hits: readonly Hit[],
  kills: readonly number[],
  rateOf: (hit: Hit) => number | null,
): void {
  for (const of of Map.groupBy(hits, ({ href }) => href).values()) {
    const rate = rateOf(of[0] as Hit);
    if (rate === null) continue;
    const most = Math.floor(((1_000 + SLACK_MS) * rate) / 1_000) + 1;
    of.forEach(({ startedAt }, index) => {
      if (kills.some((kill) => kill >= startedAt && kill <= startedAt + 1_000)) return;
      const end = of.findIndex((each, place) => place > index && each.startedAt >= startedAt + 1_000);
      expect((end === -1 ? of.length : end) - index).toBeLessThanOrEqual(most);
    });
  }
}

async function checkMessage(id: string, simulated: Simulated): Promise<void> {
  const { process, operator, held, kills } = simulated;
  const { application, payload, payloadUntil } = operator.published.get(id) as Published;
  const message = await process.store.messageFind({ applicationKey: application.key, ref: id });
  const wasExpunged = message?.payload === null;
  if (operator.expunged.has(id) || payloadUntil !== null) expect(wasExpunged).toBe(true);
  if (wasExpunged) expect(payloadUntil !== null || operator.expungeAsked.has(id)).toBe(true);
  else expect(message?.payload).toBe(payload);
  const all = { messageKey: message?.key as number, limit: 250, before: null, after: null };
  const attempts = (await process.store.attemptList(all)).rows.reverse();
  const deliveries = await process.store.deliveryList(all);
  expect(deliveries).toHaveLength(application.uid === 'acme' ? MANNERS.length : SHARED_MANNERS.length);
  for (const { state, endpointKey } of deliveries) {
    if (wasExpunged) expect(['succeeded', 'failed', 'cancelled']).toContain(state);
    else if (endpointKey === held.key) expect(['succeeded', 'failed', 'held']).toContain(state);
    else expect(state).toBe('succeeded');
    const own = attempts.filter((attempt) => attempt.endpointKey === endpointKey);
    if (state === 'succeeded') expect(own.some(({ exchange }) => succeeded(exchange))).toBe(true);
    else expect(own.some(({ exchange }) => succeeded(exchange))).toBe(false);
    checkAttempts(own);
    const resends = operator.resent.filter(
      (each) => each.messageId === id && each.endpointKey === endpointKey,
    );
    if (wasExpunged || endpointKey === held.key) continue;
    for (const { at } of resends) {
      // One that was already under way, and not yet recorded, serves for both.
      const made = own.some(
        ({ trigger, exchange }) => trigger === 'manual' && endOf(exchange) > at - RECORDED_WITHIN_MS,
      );
      expect(made, `no attempt for the resend at ${at}, with crashes at ${kills}`).toBe(true);
    }
  }
}

/** The schedule's attempts keep its times, whatever resends do beside them, and end when one of either has arrived. */
function checkAttempts(own: readonly Attempt[]): void {
  const scheduled = own.filter(({ trigger }) => trigger === 'scheduled');
  for (const { number, trigger } of own) if (trigger === 'manual') expect(number).toBe(0);
  scheduled.forEach(({ number, exchange }, index) => {
    const before = scheduled[index - 1];
    // Number 1: the first, or the first after a recovery.
    if (number === 1) return;
    expect(number).toBe((before?.number ?? 0) + 1);
    const delayMs = (DELAYS_MS[number - 2] as number) * (1 - JITTER);
    expect(exchange.startedAt).toBeGreaterThanOrEqual(
      Math.floor(endOf((before as Attempt).exchange) + delayMs),
    );
  });
  const arrived = own.find(({ exchange }) => succeeded(exchange));
  if (arrived === undefined) return;
  for (const { exchange } of scheduled)
    expect(exchange.startedAt).toBeLessThanOrEqual(endOf(arrived.exchange) + RECORDED_WITHIN_MS);
}

function endOf({ startedAt, durationMs }: { startedAt: number; durationMs: number }): number {
  return startedAt + durationMs;
}
