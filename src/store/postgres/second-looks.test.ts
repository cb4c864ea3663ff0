import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Tasks } from '../../../test/contract/task-world.ts';
import { type ContractWorld, delivery, Given, NOW } from '../../../test/contract/world.ts';
import { everyNode, genericPlan } from '../../../test/helpers/generic-plan.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { firstFence } from '../../model/lease.ts';
import { systemClock } from '../../system/clock.ts';
import type { Store } from '../store.ts';
import { openDatabase, STATEMENTS } from './connection.ts';
import { openPostgresStore } from './open.ts';

/**
 * What waits for another transaction looks at a row again once that has changed it. PostgreSQL 18.4 then left out rows that are in
 * another partition than the last one it had found, and could crash (see `withKeyLists`): so all that locks deliveries is tried
 * with some of several partitions, while another transaction changes what nobody here looks at.
 */
const PARTITIONS = 3;
const OF_EACH = 3;

let database: TestDatabase;
let store: Store;
let other: pg.Client;
let given: Given;
let fence: number;
let applicationKey: number;
let endpointKey: number;
let messageKeys: number[];

beforeEach(async () => {
  database = await testDatabase();
  store = await openPostgresStore({ url: database.url, clock: systemClock });
  fence = firstFence((await store.nodeJoin({ name: 'one', leaseMs: 3_600_000 })).epoch) + 1;
  given = new Given({ store } as ContractWorld);
  other = new pg.Client({ connectionString: database.url });
  await other.connect();
});

afterEach(async () => {
  await other.end();
  await store.close();
  await database.dispose();
});

it('cancelling leaves none out', async () => {
  await filled('pending');
  const deliveries = places();
  const { cancelled } = await whileChanged(() =>
    store.deliveryCancel({ deliveries, reason: 'cancelled', now: NOW }),
  );
  expect(cancelled).toEqual(deliveries);
  expect(await states()).toEqual(['cancelled']);
});

it('expiring leaves none out', async () => {
  await filled('held');
  await whileChanged(() => store.deliveryExpire({ now: NOW + 1, limit: 99, scan: 999 }));
  expect(await states()).toEqual(['cancelled']);
});

it('taking back leaves none out', async () => {
  await filled('pending');
  await store.endpointUpdate({ applicationKey, endpointKey, now: NOW, changes: { pausedAt: NOW } });
  const withdrawn = await whileChanged(() => store.deliveryWithdraw({ endpointKey, limit: 99 }));
  expect(withdrawn).toBe(messageKeys.length);
  expect(await states()).toEqual(['held']);
});

it('expunging leaves none out', async () => {
  await filled('held');
  const messages = messageKeys.map((messageKey) => ({ applicationKey, messageKey }));
  await whileChanged(() => store.messageExpunge({ messages, now: NOW }));
  expect(await states()).toEqual(['cancelled']);
});

for (const [kind, state] of [
  ['release', 'pending'],
  ['discard', 'cancelled'],
] as const) {
  it(`a step of a task leaves none out: ${kind}`, async () => {
    await filled('held');
    const place = { applicationKey, sourceKey: endpointKey, targetKey: endpointKey };
    const { id } = await new Tasks(given).begin({ ...place, kind });
    await whileChanged(() => store.taskStep({ id, now: NOW - 1, scan: 99, most: 99 }));
    const all = { state: 'finished', affected: messageKeys.length };
    expect(await store.taskFind({ id })).toMatchObject(all);
    expect(await states()).toEqual([state]);
  });
}

it('giving leases back leaves none out', async () => {
  await filled('sending');
  const leases = messageKeys.map((messageKey) => given.lease(messageKey, endpointKey, fence));
  expect(await whileChanged(() => store.deliveryUnlease({ leases, now: NOW }))).toBe(messageKeys.length);
  expect(await states()).toEqual(['pending']);
});

it('releasing leases leaves none out', async () => {
  await filled('sending');
  const range = { from: fence, before: fence + 1, now: NOW, limit: 99 };
  expect((await whileChanged(() => store.deliveryRelease(range))).released).toBe(messageKeys.length);
  expect(await states()).toEqual(['pending']);
});

for (const again of [false, true]) {
  it(`recording outcomes leaves none out${again ? ', of those that may be on record neither' : ''}`, async () => {
    await filled('sending');
    const results = messageKeys.map((messageKey) => ({
      ...given.result(given.lease(messageKey, endpointKey, fence), { state: 'succeeded' }),
      again,
    }));
    const { held } = await whileChanged(() => store.deliveryRecord({ results, now: NOW }));
    expect(held).toEqual(messageKeys.map(() => true));
    expect(await states()).toEqual(['succeeded']);
  });
}

it('no statement that locks rows looks for their partitions while it runs', async () => {
  const db = openDatabase(database.url);
  const client = await db.connect();
  const locking = [...STATEMENTS.values()].filter(
    ({ text }) => /FOR (UPDATE|SHARE)/.test(text) && /posthorn\.(message|delivery|attempt)\b/.test(text),
  );
  expect(locking.length).toBeGreaterThan(4);
  for (const { text } of locking) {
    const nodes = everyNode(await genericPlan(client, text));
    // What is looked at again: the rows below, and all that is planned on its own.
    const again = nodes.filter((node) => node['Node Type'] === 'LockRows' || 'Subplan Name' in node);
    const bad = again
      .flatMap(everyNode)
      .filter((node) => /message_key = (?!ANY|\$)/.test(node['Index Cond'] ?? ''));
    expect([text, bad.map((node) => node['Index Cond'])]).toEqual([text, []]);
  }
  await client.end();
  await db.close();
});

/** Some messages in each of several partitions, by turns the later ones first in none of them. */
async function filled(state: 'pending' | 'sending' | 'held'): Promise<void> {
  applicationKey = (await given.application()).key;
  endpointKey = (await given.endpoint(applicationKey)).key;
  messageKeys = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await database.query(`SELECT setval('posthorn.message_key', (${partition}::bigint << 30) + 1)`);
    const messages = Array.from({ length: OF_EACH }, () =>
      given.message({ expiresAt: NOW + 1, deliveries: [delivery(endpointKey, state)] }),
    );
    const publishes = [given.publish(applicationKey, ...messages)];
    const [accepted] = await given.accept({ publishes, fence, now: NOW });
    messageKeys.push(...(accepted?.kind === 'accepted' ? accepted.messageKeys : []));
  }
  expect(messageKeys).toHaveLength(PARTITIONS * OF_EACH);
}

/** Another transaction has changed them all when `work` comes to them, and is over when `work` waits for it. */
async function whileChanged<T>(work: () => Promise<T>): Promise<T> {
  await other.query('BEGIN');
  await other.query('UPDATE posthorn.delivery SET attempt_count = attempt_count');
  const working = work();
  await isWaiting();
  await other.query('COMMIT');
  return working;
}

async function isWaiting(): Promise<void> {
  for (let waits = 0; waits === 0; ) {
    const { rows } = await database.query(
      `SELECT count(*)::integer AS waits FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    waits = rows[0].waits;
  }
}

function places() {
  return messageKeys.map((messageKey) => ({ messageKey, endpointKey }));
}

/** Each that there is. */
async function states(): Promise<string[]> {
  const rows = await store.deliveryFind({ endpointKey, messageKeys });
  expect(rows).toHaveLength(messageKeys.length);
  return [...new Set(rows.map(({ state }) => state))];
}
