import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ContractWorld, delivery, Given, NOW } from '../../../test/contract/world.ts';
import { fuzzSeed } from '../../../test/helpers/fuzz-seed.ts';
import { seededRandom } from '../../../test/helpers/manual-clock.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import type { Random } from '../../model/clock.ts';
import type { Verdict } from '../../model/delivery.ts';
import { firstFence, type LeasedDelivery } from '../../model/lease.ts';
import type { NewMessage } from '../../model/message.ts';
import { systemClock } from '../../system/clock.ts';
import type { Publish, PublishResult, Store } from '../store.ts';
import { openDatabase, statement } from './connection.ts';
import { advanceLines, lockLines } from './lines.ts';
import { openPostgresStore } from './open.ts';

const NODES = 3;
const DONE: Verdict = { state: 'succeeded' };

/** One of several processes on one database: each has connections of its own. */
interface Node {
  readonly store: Store;
  fence(): number;
}

let database: TestDatabase;
let nodes: Node[];
let given: Given;
let random: Random;

beforeEach(async () => {
  console.info(`POSTHORN_FUZZ_SEED=${fuzzSeed}`);
  random = seededRandom(fuzzSeed);
  database = await testDatabase();
  nodes = [];
  for (let count = 0; count < NODES; count++) {
    const store = await openPostgresStore({ url: database.url, clock: systemClock });
    const { epoch } = await store.nodeJoin({ name: `node ${count}`, leaseMs: 3_600_000 });
    let fences = firstFence(epoch);
    nodes.push({ store, fence: () => ++fences });
  }
  given = new Given({ store: node(0).store } as ContractWorld);
});

afterEach(async () => {
  for (const { store } of nodes) await store.close();
  await database.dispose();
});

describe('publishes of several processes at once', () => {
  it('are taken once under one idempotency key, and replayed to all others', async () => {
    const { key } = await given.application();
    for (let round = 0; round < 20; round++) {
      const names = Array.from({ length: 6 }, (_, index) => `key ${round} ${index}`);
      const results = await everywhere((publishes) =>
        shuffled(names).map((name) => publishes(key, { key: name, body: 'same' }, given.message())),
      );
      for (const name of names) {
        const answers = results.filter(({ publish }) => publish.idempotency?.keyHash.equals(hash(name)));
        const accepted = answers.filter(({ result }) => result.kind === 'accepted');
        expect(accepted).toHaveLength(1);
        const messageIds = accepted.flatMap(({ publish }) => publish.messages.map(({ id }) => id));
        const others = answers.filter(({ result }) => result.kind !== 'accepted');
        expect(others.map(({ result }) => result)).toEqual(
          Array(NODES - 1).fill({ kind: 'replayed', messageIds }),
        );
      }
    }
  });

  it('are taken once with one event id, whole or not at all', async () => {
    const { key } = await given.application();
    for (let round = 0; round < 20; round++) {
      const names = Array.from({ length: 8 }, (_, index) => `event ${round} ${index}`);
      // Two event ids each, in any order: each node may have what another one wants.
      const results = await everywhere((publishes) => {
        const order = shuffled(names);
        return [0, 2, 4, 6].map((at) =>
          publishes(key, null, ...order.slice(at, at + 2).map((eventId) => given.message({ eventId }))),
        );
      });
      const taken = results
        .filter(({ result }) => result.kind === 'accepted')
        .flatMap(({ publish }) => publish.messages);
      expect(new Set(taken.map(({ eventId }) => eventId)).size).toBe(taken.length);
      for (const { result } of results) expect(['accepted', 'event_id_taken']).toContain(result.kind);
      for (const name of names) {
        const found = await node(0).store.messageFind({ applicationKey: key, ref: name });
        expect(found?.id ?? null).toBe(taken.find(({ eventId }) => eventId === name)?.id ?? null);
      }
    }
  });

  it('are refused when they go by an application as it no longer is, and the others of the batch are taken', async () => {
    const changed = await given.application();
    const other = await given.application();
    const publish = (application: { key: number; revision: number }): Publish => ({
      ...given.publish(application.key, given.message()),
      revision: application.revision,
    });
    await node(1).store.endpointInsert({ ...given.newEndpoint(changed.key), limit: 9 });
    const publishes = [publish(changed), publish(other), publish(changed)];
    const accept = { publishes, fence: node(0).fence(), now: NOW };
    const results = await node(0).store.messageAccept(accept);
    expect(results.map(({ kind }) => kind)).toEqual(['stale', 'accepted', 'stale']);
    const keyed = publishes.map((each) => ({ ...each, idempotency: idempotency('key', 'body') }));
    const again = await node(0).store.messageAccept({ ...accept, publishes: keyed.slice(0, 1) });
    expect(again).toEqual([{ kind: 'stale' }]);
    // What was refused left no key behind.
    const current = await node(0).store.applicationFindByKey({ applicationKey: changed.key });
    const { revision } = current as NonNullable<typeof current>;
    const anew = [{ ...(keyed[0] as Publish), revision }];
    expect(await node(0).store.messageAccept({ ...accept, publishes: anew })).toMatchObject([
      { kind: 'accepted' },
    ]);
    await node(1).store.applicationDelete({ applicationKey: other.key, now: NOW });
    const late = await node(2).store.messageAccept({ ...accept, publishes: [publish(other)] });
    expect(late).toEqual([{ kind: 'stale' }]);
  });

  it('are waited for by a change that they do not go by, so that none comes after its answer', async () => {
    const application = await given.application();
    const endpoint = await given.endpoint(application.key);
    const revision = 1;
    await given.accepted(application.key, [endpoint.key]);
    const publish = () =>
      given.publish(application.key, given.message({ deliveries: [delivery(endpoint.key)] }));
    const order: string[] = [];
    const accept = async ({ store, fence }: Node) => {
      const publishes = [{ ...publish(), revision }];
      const [result] = await store.messageAccept({ publishes, fence: fence(), now: NOW });
      order.push(result?.kind ?? '');
    };
    // Somebody has the next message's key and has not committed: whoever is given the same one waits for that.
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN');
    await other.query(
      `INSERT INTO posthorn.message (application_key, message_key, created_at, id, event_type)
       SELECT ${application.key}, last_value + 1, 0, 'msg_other', '' FROM posthorn.message_key`,
    );
    const first = accept(node(1));
    await waiting('transactionid');
    const changes = { pausedAt: NOW };
    const place = { applicationKey: application.key, endpointKey: endpoint.key, now: NOW };
    const change = node(0)
      .store.endpointUpdate({ ...place, changes })
      .then(() => order.push('changed'));
    await waiting('advisory');
    // This one comes after the change, and waits for it.
    const second = accept(node(2));
    await other.query('ROLLBACK');
    await other.end();
    await Promise.all([first, change, second]);
    expect(order.toSorted()).toEqual(['accepted', 'changed', 'stale']);
    expect(order.at(-1)).toBe('stale');
  });
});

describe('deliveries among several processes', () => {
  it('are claimed by one of them', async () => {
    const { application, keys } = await given.company(4);
    const all = 400;
    for (let count = 0; count < all / keys.length; count++) await given.accepted(application.key, keys);
    const claimed = await Promise.all(nodes.map((each) => claimAll(each, keys)));
    const names = claimed.flat().map(({ messageKey, endpointKey }) => `${messageKey} ${endpointKey}`);
    expect(names).toHaveLength(all);
    expect(new Set(names).size).toBe(all);
    // The fences are those of who has them.
    const results = claimed.map((leases) => leases.map((lease) => given.result(lease, DONE)));
    const held = await Promise.all(
      nodes.map(({ store }, index) => store.deliveryRecord({ results: results[index] ?? [], now: NOW })),
    );
    expect(held.flatMap((each) => each.held)).toEqual(Array(all).fill(true));
  });

  it('end once when their outcomes come from all sides, in any order', async () => {
    const { application, keys } = await given.company(5);
    for (let round = 0; round < 10; round++) {
      const fence = node(0).fence();
      const leases: ReturnType<Given['lease']>[] = [];
      for (let count = 0; count < 10; count++) {
        const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
        leases.push(...keys.map((endpointKey) => given.lease(messageKey, endpointKey, fence)));
      }
      const recorded = await Promise.all(
        nodes.map(async ({ store }) => {
          const own = shuffled(leases);
          const results = own.map((lease) => given.result(lease, DONE));
          const { held } = await store.deliveryRecord({ results, now: NOW });
          return own.filter((_, index) => held[index]);
        }),
      );
      expect(recorded.flat()).toHaveLength(leases.length);
      expect(new Set(recorded.flat()).size).toBe(leases.length);
    }
  });

  it('are recorded or released, and never both', async () => {
    const { application, keys } = await given.company(3);
    const fence = node(0).fence();
    const leases: ReturnType<Given['lease']>[] = [];
    for (let count = 0; count < 100; count++) {
      const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
      leases.push(...keys.map((endpointKey) => given.lease(messageKey, endpointKey, fence)));
    }
    const record = async (store: Store) => {
      let held = 0;
      const order = shuffled(leases);
      while (order.length > 0) {
        const results = order.splice(0, 16).map((lease) => given.result(lease, DONE));
        held += (await store.deliveryRecord({ results, now: NOW })).held.filter(Boolean).length;
      }
      return held;
    };
    const release = async (store: Store) => {
      let released = 0;
      for (let more = true; more; ) {
        const step = await store.deliveryRelease({ from: fence, before: fence + 1, now: NOW, limit: 7 });
        released += step.released;
        more = step.more;
      }
      return released;
    };
    const [recorded, ...released] = await Promise.all([
      record(node(0).store),
      release(node(1).store),
      release(node(2).store),
    ]);
    const sum = released.reduce((one, other) => one + other, 0);
    expect(recorded + sum).toBe(leases.length);
    expect(await node(0).store.deliveryCountOpen({})).toEqual({ pending: sum, sending: 0, held: 0 });
  });
});

describe('lines that several processes add to and send from', () => {
  it('have one with a time or under way at most, ever, and go in the order of their keys', async () => {
    const { key: applicationKey } = await given.application();
    const endpoints = [await given.endpoint(applicationKey), await given.endpoint(applicationKey)];
    const endpointKeys = endpoints.map(({ key }) => key);
    const watch = new Watch();
    const sent = new Map<string, number[]>();
    let publishing = NODES;

    const publish = async ({ store, fence }: Node) => {
      for (let round = 0; round < 25; round++) {
        const publishes = Array.from({ length: pick(3) + 1 }, () =>
          orderedPublish(applicationKey, endpointKeys),
        );
        await store.messageAccept({ publishes, fence: fence(), now: NOW });
      }
      publishing--;
    };
    const send = async ({ store, fence }: Node) => {
      for (let idle = 0; publishing > 0 || idle < 3; ) {
        const lanes = endpointKeys.map((endpointKey) => ({ endpointKey, deliveries: 3, characters: 1e6 }));
        const claims = await store.deliveryClaimDue({ lanes, characters: 1e6, dueBy: NOW, fence: fence() });
        const leases = claims.flatMap(({ claimed }) => claimed);
        const waits = claims.some(({ nextDueAt }) => nextDueAt !== null);
        idle = leases.length === 0 && !waits ? idle + 1 : 0;
        for (const lease of leases) await end(store, lease);
      }
    };
    /** Most arrive; some come back, and go out again. */
    const end = async (store: Store, lease: LeasedDelivery) => {
      const again = pick(4) === 0;
      const verdict: Verdict = again ? { state: 'pending', nextAttemptAt: NOW } : DONE;
      if (pick(6) === 0) {
        expect(await store.deliveryUnlease({ leases: [lease], now: NOW })).toBe(1);
        return;
      }
      if (!again) {
        const line = `${lease.endpointKey} ${lease.orderKey}`;
        const before = sent.get(line) ?? [];
        if (!before.includes(lease.messageKey)) sent.set(line, [...before, lease.messageKey]);
      }
      const { held } = await store.deliveryRecord({ results: [given.result(lease, verdict)], now: NOW });
      expect(held).toEqual([true]);
    };

    /** Of those that arrived, one is to be sent again, now and then: it comes back before others of its line. */
    const sendAgain = async () => {
      const db = openDatabase(database.url);
      while (publishing > 0) {
        const line = {
          endpointKey: shuffled(endpointKeys)[0] as number,
          orderKey: shuffled(ORDER_KEYS)[0] as string,
        };
        await db.transaction(async (tx) => {
          await lockLines(tx, [line]);
          await tx.changes(COME_BACK, [applicationKey, line.endpointKey, line.orderKey, pick(10)]);
          await advanceLines(tx, [line], NOW);
        });
      }
      await db.close();
    };

    const working = Promise.all([...nodes.flatMap((each) => [publish(each), send(each)]), sendAgain()]);
    let over = false;
    const watching = (async () => {
      while (!over) watch.look((await database.query(LINES)).rows);
    })();
    await working.finally(() => {
      over = true;
    });
    await watching;
    expect(watch.looks).toBeGreaterThan(3);
    expect(watch.seen).toEqual([]);
    for (const keys of sent.values()) expect(keys).toEqual(keys.toSorted((one, other) => one - other));
    expect(await node(0).store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 0, held: 0 });
  });
});

const ORDER_KEYS = ['a', 'b', 'c'];
const COME_BACK = statement(
  `UPDATE posthorn.delivery SET state = 0, attempt_count = 0 WHERE (application_key, message_key, endpoint_key) IN (
     SELECT application_key, message_key, endpoint_key FROM posthorn.delivery
     WHERE application_key = $1 AND endpoint_key = $2 AND order_key = $3 AND state = 2 ORDER BY message_key OFFSET $4 LIMIT 1)`,
);
const LINES = `SELECT endpoint_key || ' ' || order_key AS line, message_key AS key,
  state = 1 OR next_attempt_at IS NOT NULL AS turn FROM posthorn.delivery WHERE order_key IS NOT NULL ORDER BY message_key`;

/** Looks at all lines again and again, each time as they were at one moment. */
class Watch {
  looks = 0;
  readonly seen: string[] = [];
  readonly #last = new Map<string, number>();
  readonly #known = new Set<string>();

  look(rows: { line: string; key: string; turn: boolean }[]): void {
    this.looks++;
    const turns = new Set<string>();
    for (const { line, key, turn } of rows) {
      if (turn && turns.has(line)) this.seen.push(`two have the turn of ${line}`);
      if (turn) turns.add(line);
      const name = `${line} ${key}`;
      const last = this.#last.get(line) ?? 0;
      if (!this.#known.has(name) && Number(key) < last)
        this.seen.push(`${key} came into ${line} behind ${last}`);
      this.#known.add(name);
      this.#last.set(line, Math.max(last, Number(key)));
    }
  }
}

function orderedPublish(applicationKey: number, endpointKeys: readonly number[]): Publish {
  const messages = Array.from({ length: pick(2) + 1 }, (): NewMessage => {
    const orderKey = shuffled(ORDER_KEYS)[0] as string;
    const keys = pick(2) === 0 ? endpointKeys : shuffled(endpointKeys).slice(0, 1);
    const deliveries = keys.map((endpointKey) => delivery(endpointKey, 'pending', orderKey));
    return given.message({ orderingKey: orderKey, deliveries });
  });
  // As many changes as there are endpoints.
  return { ...given.publish(applicationKey, ...messages), revision: endpointKeys.length };
}

/** The same publishes on all nodes at once, each with its answer. */
async function everywhere(
  make: (
    publish: (
      applicationKey: number,
      key: { key: string; body: string } | null,
      ...messages: NewMessage[]
    ) => Publish,
  ) => Publish[],
): Promise<{ publish: Publish; result: PublishResult }[]> {
  const batches = nodes.map(() =>
    make((applicationKey, key, ...messages) => ({
      ...given.publish(applicationKey, ...messages),
      revision: 0,
      idempotency: key && idempotency(key.key, key.body),
    })),
  );
  const answered = await Promise.all(
    nodes.map(({ store, fence }, index) =>
      store.messageAccept({ publishes: batches[index] ?? [], fence: fence(), now: NOW }),
    ),
  );
  return batches.flatMap((publishes, index) =>
    publishes.map((publish, at) => ({ publish, result: answered[index]?.[at] as PublishResult })),
  );
}

/** A few at a time, until nothing is left. */
async function claimAll({ store, fence }: Node, endpointKeys: readonly number[]): Promise<LeasedDelivery[]> {
  const leases: LeasedDelivery[] = [];
  for (let left = true; left; ) {
    const lanes = shuffled(endpointKeys).map((endpointKey) => ({
      endpointKey,
      deliveries: pick(5) + 1,
      characters: 1e6,
    }));
    const claims = await store.deliveryClaimDue({ lanes, characters: 1e6, dueBy: NOW, fence: fence() });
    leases.push(...claims.flatMap(({ claimed }) => claimed));
    left = claims.some(({ nextDueAt }) => nextDueAt !== null);
  }
  return leases;
}

/** Until somebody waits for a lock of this kind. */
async function waiting(kind: 'advisory' | 'transactionid'): Promise<void> {
  const sql = `SELECT count(*)::integer AS waiting FROM pg_locks WHERE NOT granted AND locktype = '${kind}'`;
  await expect.poll(async () => (await database.query(sql)).rows[0].waiting).toBe(1);
}

function idempotency(key: string, body: string): NonNullable<Publish['idempotency']> {
  return { keyHash: hash(key), bodyHash: hash(body) };
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function node(index: number): Node {
  return nodes[index] as Node;
}

function pick(below: number): number {
  return Math.floor(random.fraction() * below);
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: random.fraction() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
