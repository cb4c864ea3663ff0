import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import { type Endpoint, heldReason } from '../../src/model/endpoint.ts';
import type { EndpointFields } from '../../src/registry/registry.ts';
import { ManualClock, seededRandom } from '../helpers/manual-clock.ts';
import { checkLines } from './line-checks.ts';
import { checkHits, checkMessage, checkOrder, checkPace, type Simulated } from './operations-checks.ts';
import { ONLY_PAUSED, Operator } from './operator.ts';
import { Process } from './process.ts';
import { type Manner, Receivers } from './receivers.ts';

/**
 * The simulation of `engine.test.ts`, with a person who resends, retries, cancels, skips, disables, pauses, recovers, replays,
 * releases, discards and expunges meanwhile, with throttles, ordered endpoints, messages that expire, and endpoints that are
 * disabled for what they answer. `POSTHORN_SIMULATION_SEEDS=7,8` replays seeds.
 */
const seeds = (process.env.POSTHORN_SIMULATION_SEEDS ?? '1,2,3,4,5,6,7,8').split(',').map(Number);
type Kind = readonly [Manner, Partial<EndpointFields>?];
const PLAIN: readonly Kind[] = [
  ['works'],
  ['slow', { maxInFlight: 2 }],
  ['fails often'],
  ['always fails'],
  ['hangs'],
  ['works', { throttleRate: 2 }],
  ['goes'],
  ['works', { description: ONLY_PAUSED }],
  ['slow', { description: ONLY_PAUSED }],
  ['slow', { ordering: 'endpoint' }],
  ['fails often', { ordering: 'key' }],
];
/** Of an application whose endpoints together get so many a second. */
const SHARED: readonly Kind[] = [['works'], ['fails often'], ['works', { ordering: 'key' }]];
const SHARED_RATE = 3;
const SMALL = {
  resident: 24,
  residentPerEndpoint: 8,
  residentCharacters: 2_000,
  inFlight: 12,
  ahead: 4,
  claim: 4,
};
/** Shorter than the simulation, so that it happens. */
const DISABLE_AFTER_MS = 60_000;
/** With the longest wait of a breaker for its probe in it. */
const REST_MINUTES = 12;

async function simulate(seed: number, folder: string): Promise<Simulated> {
  const clock = new ManualClock();
  const random = seededRandom(seed);
  const receivers = new Receivers(clock, random);
  const operator = new Operator(clock, random);
  const world = {
    folder,
    clock,
    receivers,
    refused: 0.15,
    disableAfterMs: DISABLE_AFTER_MS,
    ...(seed % 2 === 0 && { scheduleLimits: SMALL }),
  };
  let process = await Process.start({ ...world, seed: seed * 1_000 });
  const applications = [await process.application(), await process.application('shared', SHARED_RATE)];
  const [plain, shared] = applications as [Application, Application];
  const endpoints = new Map<string, Endpoint>();
  const add = async (application: Application, [manner, fields]: Kind) => {
    const href = `http://receiver-${endpoints.size}.example.com/`;
    receivers.manners.set(href, manner);
    endpoints.set(href, await process.endpoint(application, href, null, fields));
  };
  for (const kind of PLAIN) await add(plain, kind);
  for (const kind of SHARED) await add(shared, kind);

  const kills: number[] = [];
  for (let step = 0; step < 60; step++) {
    operator.act(process, applications, step);
    await clock.advance(Math.floor(random.fraction() * 4_000));
    if (random.fraction() < 0.1) {
      await process.kill();
      kills.push(clock.now());
      await clock.advance(Math.floor(random.fraction() * 5_000));
      process = await Process.start({ ...world, seed: seed * 1_000 + step + 1 });
      await operator.switches.restarted(process, applications);
    }
  }

  receivers.faulty = false;
  const held = endpoints.get('http://receiver-0.example.com/') as Endpoint;
  const simulated = { process, operator, receivers, applications, endpoints, held, kills };
  await comeToRest(simulated, clock);
  return simulated;
}

/** The faults are over: what can go out does so by itself, and after some help everything has. */
async function comeToRest(
  { process, operator, applications, endpoints, held }: Simulated,
  clock: ManualClock,
): Promise<void> {
  const passed = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute++) await clock.advance(60_000);
  };
  await passed(REST_MINUTES);
  expect(process.engine.resident).toBe(0);
  const backlog = await process.store.deliveryBacklog();
  for (const { key, applicationKey, ordering, description } of endpoints.values()) {
    const open = await process.store.deliveryCountOpen({ endpointKey: key });
    // What is ordered waits behind what failed or is held.
    if (ordering === 'none') expect(open).toMatchObject({ pending: 0, sending: 0 });
    else expect(open).toMatchObject({ sending: 0 });
    const [found] = (await process.store.endpointList({ applicationKey })).filter((each) => each.key === key);
    if (found === undefined) expect.unreachable();
    // Nothing has a time and waits, where it is taken; what is ordered and has none waits behind another.
    if (heldReason(found) === null)
      expect(backlog.filter(({ endpointKey }) => endpointKey === key)).toEqual([]);
    // What a pause held goes out by itself after its end.
    if (description === ONLY_PAUSED && found.pausedAt === null) expect(open).toMatchObject({ held: 0 });
  }
  const ofEndpoint = (endpoint: Endpoint) =>
    applications.find(({ key }) => key === endpoint.applicationKey) as Application;
  for (const endpoint of endpoints.values()) {
    const of = ofEndpoint(endpoint);
    const disabled = { name: 'disabled', on: endpoint === held } as const;
    await within(clock, operator.switches.set(process, of, endpoint.id, disabled));
    await within(clock, operator.switches.set(process, of, endpoint.id, { name: 'paused', on: false }));
  }
  for (const endpoint of endpoints.values()) {
    if (endpoint === held) continue;
    const range = { from: clock.now() - 3_600_000, to: clock.now() };
    const asked = { kind: 'recover', source: endpoint, target: endpoint, filter: {}, ...range } as const;
    await within(clock, process.engine.redelivery.replay(asked));
  }
  await passed(REST_MINUTES);
}

/** What the store answers late. */
async function within<Result>(clock: ManualClock, result: Promise<Result>): Promise<Result> {
  await clock.advance(1_000);
  return result;
}

describe('the engine under an operator, simulated', () => {
  it.each(seeds)(
    'seed %i: loses nothing, sends nothing that is held, cancelled, too early or too late, and keeps order',
    async (seed) => {
      const folder = await mkdtemp(join(tmpdir(), 'posthorn-simulation-'));
      const simulated = await simulate(seed, folder);
      const { process, operator, receivers, endpoints, held, kills } = simulated;
      try {
        expect(operator.published.size).toBeGreaterThan(80);
        expect(operator.switches.spans.length).toBeGreaterThan(5);
        // Which of them a person comes to do, and is let do, is up to the seed.
        expect(operator.done.size).toBeGreaterThan(6);
        const open = await process.store.deliveryCountOpen({});
        expect(open).toMatchObject({ pending: 0, sending: 0 });
        expect(open).toEqual(await process.store.deliveryCountOpen({ endpointKey: held.key }));
        expect(process.engine.inFlight).toBe(0);
        expect(process.engine.resident).toBe(0);
        // Only those wait that their endpoint's being disabled keeps.
        const tasks = await process.store.taskListRunning();
        expect(tasks.filter(({ targetKey }) => targetKey !== held.key)).toEqual([]);

        checkHits(simulated);
        await checkOrder(simulated);
        for (const endpoint of endpoints.values()) await checkLines(process.store, endpoint);
        for (const { href, maxInFlight } of endpoints.values())
          expect(receivers.mostUnderWay.get(href) ?? 0).toBeLessThanOrEqual(maxInFlight);
        checkPace(receivers.hits, kills, (hit) => endpoints.get(hit.href)?.throttleRate ?? null);
        const shared = endpoints.get(`http://receiver-${PLAIN.length}.example.com/`)?.applicationKey;
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
