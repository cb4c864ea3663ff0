import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exampleOf } from '../../model/event-type.ts';
import type { Store } from '../store.ts';
import { type Connection, openConnection } from './connection.ts';
import type { MigrateOptions } from './migrate.ts';
import { openSqliteStore } from './open.ts';

const ALL = { limit: 100, before: null, after: null };

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-migrations-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** What the first version wrote: rows in every table. */
const FIRST_ROWS = `
  INSERT INTO meta VALUES ('epoch', 6), ('master_key_id', 77);
  INSERT INTO application VALUES
    (1, 'app_1', 1, NULL, 'Company 1', NULL, '{}', 0, 10, 11),
    (2, 'app_2', 2, 'acme', 'Acme', 50, '{"plan":"gold"}', 1767225600, 12, 13);
  INSERT INTO endpoint VALUES
    (1, 1, 'ep_1', '1_20260101000000', NULL, 'https://a/', 'https://a/', '', 0, NULL, NULL, NULL, '{}', '{}', x'0102', 14, 15, NULL),
    (2, 2, 'ep_2', '2_20260101000000', 'main', 'https://b/', 'https://b/', 'd', 1, '["t.a"]', '["x"]', 7, '{"k":"v"}', '{}', x'03', 16, 17, NULL),
    (3, 2, 'ep_3', '2_20260101000001', NULL, 'https://c/', 'https://c/', '', 0, NULL, NULL, NULL, '{}', '{}', x'04', 18, 19, 20);
  INSERT INTO event_type VALUES
    (1, 't.both', 'Both', '{"type":"object","properties":{"a":{"const":"ü"}}}', '{"a":"ü","n":[1,null]}', 0, 21, 22),
    (2, 't.schema', 'Schema', '{"type":"object"}', NULL, 0, 23, 24),
    (3, 't.example', 'Example', NULL, '{"b":true}', 1, 25, 26),
    (4, 't.none', 'None', NULL, NULL, 0, 27, 28);
  INSERT INTO api_key VALUES
    ('key_1', 'operator', x'a1', NULL, 30, NULL, NULL),
    ('key_2', 'company 1', x'a2', 1, 31, NULL, NULL),
    ('key_3', 'operator', x'a3', NULL, 29, NULL, 30),
    ('key_4', 'CI', x'a4', 2, 32, 9000, NULL);
  INSERT INTO message VALUES
    (5, 2, 'msg_1', 'e-1', 't.a', '["x"]', '["vip"]', 40, '{"n":1}'),
    (6, 2, 'msg_2', NULL, 't.a', NULL, NULL, 41, NULL),
    (9, 1, 'msg_3', NULL, 't.b', NULL, NULL, 42, '{"long":"' || printf('%.9000c', 'x') || '"}');
  INSERT INTO delivery VALUES
    (5, 2, 4, 0, NULL, 0, 'endpoint_disabled'),
    (6, 2, 2, 1, NULL, 0, NULL),
    (9, 1, 0, 3, 50, 0, NULL);
  INSERT INTO attempt VALUES
    (1, 'atmpt_1', 6, 2, 1, 'scheduled', 'https://b/', 43, 5, 200, NULL, NULL, NULL, 'ok'),
    (4, 'atmpt_2', 9, 1, 3, 'scheduled', 'https://a/', 44, 6, NULL, NULL, 'timed_out', 'No answer.', '');
  INSERT INTO idempotency VALUES (x'b1', x'b2', '["msg_1"]', 45);`;

test('a store of the first version opens with all that it had', async () => {
  const store = await openedFromFirst();
  expect(await store.nodeJoin({ name: '', leaseMs: 1 })).toEqual({ epoch: 7 });
  expect(await store.masterKeyKeep({ id: 78 })).toBe(false);
  const application = await store.applicationFind({ ref: 'acme' });
  const plan = { plan: 'gold' };
  const times = { createdAt: 12, updatedAt: 13, revision: 0 };
  expect(application).toEqual({
    ...{ key: 2, id: 'app_2', number: 2, uid: 'acme', name: 'Acme', throttleRate: 50 },
    ...{ metadata: plan, ...times },
  });
  const all = await store.applicationList({ ...ALL, fromEnd: false });
  expect(all.map(({ id }) => id)).toEqual(['app_1', 'app_2']);
  expect(await store.endpointList({ applicationKey: 2 })).toEqual([
    {
      ...{ key: 2, applicationKey: 2, id: 'ep_2', webHookId: '2_20260101000000', uid: 'main' },
      ...{ url: 'https://b/', href: 'https://b/', description: 'd', disabled: true, eventTypes: ['t.a'] },
      ...{ disabledReason: 'manual', disabledAt: 17, pausedAt: null, maxInFlight: 32, ordering: 'none' },
      ...{ retrySchedule: null, finalStatuses: [] },
      ...{ channels: ['x'], throttleRate: 7, version: 1, metadata: { k: 'v' }, sealedHeaders: null },
      ...{ sealedSecret: Buffer.from([3]), secretExpiries: [], createdAt: 16, updatedAt: 17 },
    },
  ]);
  await store.close();
});

test('its event types keep their examples, in the schemas now', async () => {
  const store = await openedFromFirst();
  const types = await store.eventTypeList();
  expect(types.map(({ name, archived }) => [name, archived])).toEqual([
    ['t.both', false],
    ['t.schema', false],
    ['t.example', true],
    ['t.none', false],
  ]);
  const both = { type: 'object', properties: { a: { const: 'ü' } }, examples: [{ a: 'ü', n: [1, null] }] };
  expect(types.map(({ schemas }) => schemas)).toEqual([
    { 1: both },
    { 1: { type: 'object' } },
    { 1: { examples: [{ b: true }] } },
    null,
  ]);
  expect(types.map((type) => exampleOf(type))).toEqual([{ a: 'ü', n: [1, null] }, null, { b: true }, null]);
  const added = { deprecated: false, featureFlags: null, groupName: null, validation: 'off' };
  expect(types[0]).toMatchObject({ ...added, description: 'Both', createdAt: 21, updatedAt: 22 });
  await store.close();
});

test('its keys are those of their settings, or keys like any other', async () => {
  const store = await openedFromFirst();
  const limits = { capabilities: null, featureFlags: [], expiresAt: null };
  const fields = { ...limits, lastUsedAt: null, replacedBy: null };
  const operator = { ...fields, id: 'key_1', name: 'operator', slot: 'operator', hash: Buffer.from([0xa1]) };
  expect(await store.keyListBySlot({ slot: 'operator' })).toEqual([
    { ...operator, applicationKey: null, createdAt: 30 },
  ]);
  expect(await store.keyListBySlot({ slot: 'company 1' })).toMatchObject([
    { id: 'key_2', applicationKey: 1 },
  ]);
  const other = { id: 'key_4', slot: null, applicationKey: 2, expiresAt: 9000 };
  expect(await store.keyFind({ hash: Buffer.from([0xa4]) })).toMatchObject(other);
  expect(await store.keyFind({ hash: Buffer.from([0xa3]) })).toBeNull();
  await store.close();
});

test('its messages, deliveries and attempts are there, and new ones follow', async () => {
  const store = await openedFromFirst();
  const fields = { eventType: 't.a', deliverAt: null, expiresAt: null, orderingKey: null };
  const page = { ...ALL, applicationKey: 2, withPayload: true };
  expect((await store.messageList(page)).rows).toEqual([
    {
      ...fields,
      key: 6,
      applicationKey: 2,
      id: 'msg_2',
      ...nothing(),
      payload: null,
      matched: true,
      createdAt: 41,
    },
    {
      ...{ ...fields, key: 5, applicationKey: 2, id: 'msg_1', eventId: 'e-1', channels: ['x'] },
      ...{ tags: ['vip'], payload: '{"n":1}', matched: true, createdAt: 40 },
    },
  ]);
  const lane = { endpointKey: 1, deliveries: 9, characters: 1e6 };
  const [claim] = await store.deliveryClaimDue({ lanes: [lane], characters: 1e6, dueBy: 50, fence: 1 });
  expect(claim?.claimed).toMatchObject([{ messageKey: 9, messageId: 'msg_3', attemptCount: 3 }]);
  expect(claim?.claimed[0]?.payload).toHaveLength(9_011);
  const [held] = await store.deliveryFind({ endpointKey: 2, messageKeys: [5] });
  expect(held).toMatchObject({ state: 'held', reason: 'endpoint_disabled' });
  const { rows } = await store.attemptList({ endpointKey: 1, ...ALL });
  const error = { code: 'timed_out', message: 'No answer.' };
  const answer = { status: null, body: '', requestHeaders: '', responseHeaders: '', retryAfter: null, error };
  expect(rows).toEqual([
    {
      ...{ id: 'atmpt_2', messageKey: 9, endpointKey: 1, messageId: 'msg_3', endpointId: 'ep_1', number: 3 },
      ...{ trigger: 'scheduled', url: 'https://a/', exchange: { startedAt: 44, durationMs: 6, ...answer } },
    },
  ]);
  const message = { id: 'msg_4', ...nothing(), ...fields, payload: '{}', payloadUntil: null, createdAt: 60 };
  const keyed = { keyHash: Buffer.from([0xb1]), bodyHash: Buffer.from([0xb2]) };
  const publish = { applicationKey: 2, revision: 0, messages: [{ ...message, deliveries: [] }] };
  const publishes = [
    { ...publish, idempotency: null },
    { ...publish, idempotency: keyed },
  ];
  expect(await store.messageAccept({ publishes, fence: 1, now: 60 })).toEqual([
    { kind: 'accepted', messageKeys: [10] },
    { kind: 'replayed', messageIds: ['msg_1'] },
  ]);
  await store.close();
});

test('recoveries go on as tasks, and ended ones are shown as such', async () => {
  const connection = await writtenByFirst();
  connection.exec(await migration('002-operator-api.sql'));
  connection.exec(`INSERT INTO recovery VALUES
    ('qtask_1', 2, 2, 'msg_1', 'msg_~', 3, 0, 70, 71), ('qtask_2', 2, 2, 'msg_9', 'msg_9', 5, 1, 72, 73);`);
  connection.pragma('user_version = 2');
  connection.close();
  const store = await openSqliteStore({ folder });
  const place = { kind: 'recover', applicationKey: 2, sourceKey: 2, targetKey: 2, rate: 100, scanned: 0 };
  const filter = { states: ['failed', 'held'] };
  const page = { applicationKey: null, limit: 9, before: null, after: null, fromEnd: false };
  expect(await store.taskList(page)).toEqual([
    {
      ...{ ...place, filter, id: 'qtask_1', from: 'msg_1', to: 'msg_~', position: 'msg_1', affected: 3 },
      ...{ state: 'running', createdAt: 70, updatedAt: 71 },
    },
    {
      ...{ ...place, filter, id: 'qtask_2', from: 'msg_9', to: 'msg_9', position: 'msg_9', affected: 5 },
      ...{ state: 'finished', createdAt: 72, updatedAt: 73 },
    },
  ]);
  // The endpoint is disabled.
  const step = { id: 'qtask_1', now: 80, scan: 9, most: 9 };
  expect(await store.taskStep(step)).toEqual({ waits: 'endpoint_disabled' });
  await store.endpointUpdate({ applicationKey: 2, endpointKey: 2, now: 80, changes: { disabled: false } });
  expect(await store.taskStep(step)).toMatchObject({ task: { affected: 4, scanned: 2, state: 'finished' } });
  await store.close();
});

test('it is told before and after, with the room it needs; a new store and one that is up to date change silently', async () => {
  const lines: [object, string][] = [];
  const told = {
    log: { info: (fields: object, text: string) => lines.push([fields, text]) },
    clock: { monotonic: () => 1_000 * lines.length },
  };
  await (await openedFromFirst({ told })).close();
  const what = { file: join(folder, 'posthorn.db'), from: 1, to: 6 };
  const room = { fileMb: 1, neededMb: 1, freeMb: expect.any(Number) };
  expect(lines).toEqual([
    [{ ...what, ...room }, "the store's schema is brought up to date: that may take a while"],
    [{ ...what, ms: 0 }, "the store's schema is up to date"],
  ]);
  await (await openSqliteStore({ folder, told })).close();
  await (await openSqliteStore({ folder: join(folder, 'new'), told })).close();
  expect(lines).toHaveLength(2);
});

test('where the room for it is missing nothing is changed, and the refusal says how much it takes', async () => {
  await expect(openedFromFirst({ freeBytes: () => 1_000 })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /from version 1 to 6\. That needs 1 MB of free space beside .*posthorn\.db/,
    ),
  });
  const connection = openConnection(join(folder, 'posthorn.db'));
  expect(connection.pragma('user_version', { simple: true })).toBe(1);
  expect(connection.prepare('SELECT count(*) FROM message').pluck().get()).toBe(3);
  connection.close();
  const store = await openSqliteStore({ folder });
  expect(await store.applicationLastNumber()).toBe(2);
  await store.close();
});

function nothing() {
  return { eventId: null, channels: null, tags: null };
}

async function openedFromFirst(options: MigrateOptions = {}): Promise<Store> {
  (await writtenByFirst()).close();
  return openSqliteStore({ folder, ...options });
}

async function writtenByFirst(): Promise<Connection> {
  const connection = openConnection(join(folder, 'posthorn.db'));
  connection.exec(await migration('001-first.sql'));
  connection.exec(FIRST_ROWS);
  connection.pragma('user_version = 1');
  return connection;
}

function migration(name: string): Promise<string> {
  return readFile(new URL(`./migrations/${name}`, import.meta.url), 'utf8');
}
