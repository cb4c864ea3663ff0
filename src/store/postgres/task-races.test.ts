import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tasks } from '../../../test/contract/task-world.ts';
import { type ContractWorld, delivery, Given, NOW } from '../../../test/contract/world.ts';
import { fuzzSeed } from '../../../test/helpers/fuzz-seed.ts';
import { seededRandom } from '../../../test/helpers/manual-clock.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import type { Random } from '../../model/clock.ts';
import type { Ordering } from '../../model/endpoint.ts';
import { firstFence } from '../../model/lease.ts';
import type { NewTask, Task } from '../../model/task.ts';
import { systemClock } from '../../system/clock.ts';
import type { Publish, Store } from '../store.ts';
import { openPostgresStore } from './open.ts';

const MESSAGES = 60;
const LATER = NOW + 60_000;
const ROUNDS = 8;

let database: TestDatabase;
/** Two processes on one database. */
let stores: [Store, Store];
let given: Given;
let random: Random;
let fences: number;

beforeEach(async () => {
  console.info(`POSTHORN_FUZZ_SEED=${fuzzSeed}`);
  random = seededRandom(fuzzSeed);
  database = await testDatabase();
  const open = () => openPostgresStore({ url: database.url, clock: systemClock });
  stores = [await open(), await open()];
  fences = firstFence((await stores[0].nodeJoin({ name: 'one', leaseMs: 3_600_000 })).epoch);
  await stores[1].nodeJoin({ name: 'other', leaseMs: 3_600_000 });
  given = new Given({ store: stores[0] } as ContractWorld);
});

afterEach(async () => {
  for (const store of stores) await store.close();
  await database.dispose();
});

describe('two processes that step one task at once', () => {
  for (const ordering of ['none', 'endpoint', 'key'] as const) {
    it(`let each delivery go once, and none is left out: ${ordering}`, async () => {
      const { endpointKey, messageKeys, task } = await held(ordering);
      const { id } = await task('release');
      await Promise.all(stores.map((store) => stepThrough(store, id)));
      const done = await stores[0].taskFind({ id });
      const all = { state: 'finished', affected: MESSAGES, scanned: MESSAGES };
      expect(done).toMatchObject(all);
      const rows = await stores[0].deliveryFind({ endpointKey, messageKeys });
      expect(rows.filter(({ state }) => state === 'pending')).toHaveLength(MESSAGES);
      const timed = rows.filter(({ nextAttemptAt }) => nextAttemptAt !== null);
      expect(timed).toHaveLength({ none: MESSAGES, endpoint: 1, key: ORDER_KEYS.length }[ordering]);
    });
  }

  it('let it go once, too, when two tasks want the same', async () => {
    const { endpointKey, task } = await held('key');
    const ids = [(await task('recover')).id, (await task('release')).id];
    await Promise.all(
      stores.flatMap((store, index) => [
        stepThrough(store, ids[index] as string),
        withdrawn(store, endpointKey),
      ]),
    );
    const done = await Promise.all(ids.map((id) => stores[0].taskFind({ id })));
    expect(done.reduce((sum, each) => sum + (each?.affected ?? 0), 0)).toBe(MESSAGES);
    expect(await stores[0].deliveryCountOpen({ endpointKey })).toMatchObject({ pending: MESSAGES, held: 0 });
  });

  it('leave cancelled what a person cancels meanwhile', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { endpointKey, messageKeys, task } = await held('none');
      const { id } = await task(round % 2 === 0 ? 'release' : 'recover');
      const cancel = async () => {
        for (let looks = pick(3); looks > 0; looks--) await stores[1].taskFind({ id });
        await Promise.all(
          messageKeys.map((messageKey) => {
            const deliveries = [{ messageKey, endpointKey }];
            return stores[1].deliveryCancel({ deliveries, reason: 'cancelled', now: NOW });
          }),
        );
      };
      await Promise.all([stepThrough(stores[0], id), cancel()]);
      const rows = await stores[0].deliveryFind({ endpointKey, messageKeys });
      expect(rows.filter(({ state }) => state !== 'cancelled')).toEqual([]);
    }
  });

  it('stop when it is cancelled meanwhile, and what they let go so far stays so', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { endpointKey, task } = await held('none');
      const { id } = await task('release');
      const cancel = async () => {
        for (let looks = pick(4); looks > 0; looks--) await stores[1].taskFind({ id });
        return stores[1].taskCancel({ id, now: NOW + 1 });
      };
      const [, , cancelled] = await Promise.all([...stores.map((store) => stepThrough(store, id)), cancel()]);
      const task_ = await stores[0].taskFind({ id });
      expect(task_?.state).toBe(cancelled === null ? 'finished' : 'cancelled');
      const { pending, held: left } = await stores[0].deliveryCountOpen({ endpointKey });
      expect([pending, left]).toEqual([task_?.affected, MESSAGES - (task_?.affected ?? 0)]);
    }
  });

  it('leave nothing open of an endpoint that is deleted meanwhile', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { applicationKey, endpointKey, task } = await held('key');
      const { id } = await task('release');
      const remove = async () => {
        for (let looks = pick(3); looks > 0; looks--) await stores[1].taskFind({ id });
        await stores[1].endpointDelete({ applicationKey, endpointKey, now: NOW });
        await withdrawn(stores[1], endpointKey);
      };
      await Promise.all([...stores.map((store) => stepThrough(store, id)), remove()]);
      expect(['failed', 'finished']).toContain((await stores[0].taskFind({ id }))?.state);
      const nothing = { pending: 0, sending: 0, held: 0 };
      expect(await stores[0].deliveryCountOpen({ endpointKey })).toEqual(nothing);
      expect(await waiting(endpointKey)).toEqual([]);
    }
  });
});

describe('a pause that ends while another process takes deliveries back', () => {
  it('leaves none held', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { applicationKey, endpointKey, release } = await held('key', 'pending');
      const place = { applicationKey, endpointKey, now: NOW };
      await stores[0].endpointUpdate({ ...place, changes: { pausedAt: NOW } });
      const resume = async () => {
        for (let looks = pick(3); looks > 0; looks--) await stores[1].taskFind({ id: 'qtask_none' });
        const task = release();
        await stores[1].endpointUpdate({ ...place, changes: { pausedAt: null }, task });
        await stepThrough(stores[1], task.id);
      };
      await Promise.all([withdrawn(stores[0], endpointKey), resume()]);
      const { pending, held: left } = await stores[0].deliveryCountOpen({ endpointKey });
      expect([pending, left]).toEqual([MESSAGES, 0]);
    }
  });
});

describe('a delivery that waits in memory for its retry, hurried while its outcome is recorded', () => {
  it('has either the outcome or a second try, and never both or none', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const { key } = await given.application();
      const endpoint = await given.endpoint(key, { ordering: pick(2) === 0 ? 'key' : 'none' });
      const orderKey = endpoint.ordering === 'key' ? 'a' : null;
      const message = { orderingKey: orderKey };
      const messageKey = await given.accepted(key, [endpoint.key], { orderKey, message });
      const place = { messageKey, endpointKey: endpoint.key };
      const [lease] = await claimed(stores[0], endpoint.key);
      if (lease === undefined) throw new Error('Nothing was claimed.');
      const waits = given.result(lease, { state: 'pending', nextAttemptAt: LATER });
      await stores[0].deliveryRecord({ results: [{ ...waits, keepLease: true }], now: NOW });
      const results = [given.result(lease, { state: 'succeeded' })];
      const calls = [
        () => stores[0].deliveryRecord({ results, now: NOW + 1 }),
        () => stores[1].deliveryHurry({ ...place, now: NOW + 1 }),
      ] as const;
      const order = pick(2);
      const first = calls[order as 0 | 1]();
      const second = calls[(1 - order) as 0 | 1]();
      const [recorded, hurried] = order === 0 ? [await first, await second] : [await second, await first];
      const { state } = await given.deliveryOf(place);
      const outcome = JSON.stringify([recorded, hurried, state]);
      const arrived = [{ held: [true], dropped: [] }, { state: 'ended' }, 'succeeded'];
      const stored = [{ endpointKey: endpoint.key, dueAt: NOW + 1 }];
      const due = [
        { held: [false], dropped: [] },
        { dropped: [{ ...place, fence: lease.fence, resendKey: null }], stored, state: 'due' },
        'pending',
      ];
      expect([arrived, due].map((each) => JSON.stringify(each))).toContain(outcome);
      seen.add(state);
      const again = (await claimed(stores[1], endpoint.key)).length;
      expect(again).toBe(state === 'pending' ? 1 : 0);
    }
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe('publishes for an endpoint that is deleted at the same moment', () => {
  it('are refused, or somebody sees what is left of them', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const application = await given.application();
      const endpoint = await given.endpoint(application.key);
      const endpointKey = endpoint.key;
      await given.accepted(application.key, [endpointKey]);
      const found = await stores[0].applicationFindByKey({ applicationKey: application.key });
      const publish = (state: 'pending' | 'sending' | 'held'): Publish => ({
        ...given.publish(application.key, given.message({ deliveries: [delivery(endpointKey, state)] })),
        revision: found?.revision ?? 0,
      });
      const accept = async () => {
        for (let count = 0; count < 10; count++) {
          const publishes = [publish('pending'), publish('sending'), publish('held')];
          await stores[0].messageAccept({ publishes, fence: ++fences, now: NOW });
        }
      };
      const remove = async () => {
        for (let looks = pick(3); looks > 0; looks--) await stores[1].taskFind({ id: 'qtask_none' });
        await stores[1].endpointDelete({ applicationKey: application.key, endpointKey, now: NOW });
        await withdrawn(stores[1], endpointKey);
      };
      await Promise.all([accept(), remove()]);
      const { pending, sending, held: left } = await stores[0].deliveryCountOpen({ endpointKey });
      // What is sent comes back when it ends; the others are seen by whoever looks.
      if (pending + left > 0) expect(await waiting(endpointKey)).not.toEqual([]);
      expect(sending).toBeLessThanOrEqual(10);
      await withdrawn(stores[0], endpointKey);
      expect(await waiting(endpointKey)).toEqual([]);
    }
  });
});

const ORDER_KEYS = ['a', 'b', 'c'];

/** An endpoint with so many deliveries, held or pending. */
async function held(ordering: Ordering, state: 'held' | 'pending' = 'held') {
  const { key: applicationKey } = await given.application();
  const { key: endpointKey } = await given.endpoint(applicationKey, { ordering });
  const messages = Array.from({ length: MESSAGES }, (_, index) => {
    const orderingKey = ORDER_KEYS[index % ORDER_KEYS.length] as string;
    const orderKey = { none: null, endpoint: '', key: orderingKey }[ordering];
    return given.message({ orderingKey, deliveries: [delivery(endpointKey, state, orderKey)] });
  });
  const publishes = [given.publish(applicationKey, ...messages)];
  const [accepted] = await given.accept({ publishes, fence: ++fences, now: NOW });
  const messageKeys = accepted?.kind === 'accepted' ? accepted.messageKeys : [];
  const place = { applicationKey, sourceKey: endpointKey, targetKey: endpointKey };
  const release = (): NewTask => {
    const all = { filter: {}, from: 'msg_', to: 'msg_~', rate: 1_000, now: NOW };
    return { ...place, ...all, id: given.id('qtask'), kind: 'release' };
  };
  const task = (kind: NewTask['kind']): Promise<Task> => new Tasks(given).begin({ ...place, kind });
  return { applicationKey, endpointKey, messageKeys, task, release };
}

async function stepThrough(store: Store, id: string): Promise<void> {
  for (;;) {
    const stepped = await store.taskStep({ id, now: NOW, scan: 1 + pick(20), most: 1 + pick(10) });
    if (stepped === null || !('task' in stepped) || stepped.task.state !== 'running') return;
  }
}

async function withdrawn(store: Store, endpointKey: number): Promise<void> {
  while ((await store.deliveryWithdraw({ endpointKey, limit: 1 + pick(15) })) > 0);
}

/** Where whoever starts, or tends the store, finds the endpoint. */
async function waiting(endpointKey: number): Promise<string[]> {
  const backlog = (await stores[0].deliveryBacklog()).filter((each) => each.endpointKey === endpointKey);
  const orphans = (await stores[0].deliveryOrphans()).filter((key) => key === endpointKey);
  return [...backlog.map(() => 'backlog'), ...orphans.map(() => 'orphan')];
}

async function claimed(store: Store, endpointKey: number) {
  const lanes = [{ endpointKey, deliveries: 9, characters: 1e6 }];
  const claim = { lanes, characters: 1e6, dueBy: NOW + 1, fence: ++fences };
  return (await store.deliveryClaimDue(claim))[0]?.claimed ?? [];
}

/** From 0 on, and below this. */
function pick(below: number): number {
  return Math.floor(random.fraction() * below);
}
