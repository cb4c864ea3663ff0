import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { systemClock } from '../../system/clock.ts';
import type { MessageFilter, Store } from '../store.ts';
import { openPostgresStore } from './open.ts';

/** Half of a surrogate pair, which UTF-8 has no bytes for. */
const HALF = '\ud83d';

let database: TestDatabase;
let store: Store;

beforeEach(async () => {
  database = await testDatabase();
  store = await openPostgresStore({ url: database.url, clock: systemClock });
});
afterEach(async () => {
  await store.close();
  await database.dispose();
});

test('a text that no text of PostgreSQL can be finds nothing, and fails nowhere', async () => {
  await add({ tags: ['a'], payload: '{"a":"\ufffd"}' });
  for (const odd of ['\0', 'a\0', HALF]) {
    const ref = { applicationKey: 1, ref: odd };
    expect(await store.messageFind(ref)).toBeNull();
    expect(await store.attemptFind({ applicationKey: 1, messageKey: 1, id: odd })).toBeNull();
    expect(await store.attemptExpunge({ applicationKey: 1, messageKey: 1, id: odd })).toBe(false);
    expect(await store.deliveryFirst({ endpointKey: 1, orderKey: odd })).toBeNull();
    for (const name of ['tag', 'channel'] as const) expect(await pick({ [name]: odd })).toEqual([]);
    for (const name of ['channels', 'eventTypes'] as const) expect(await pick({ [name]: [odd] })).toEqual([]);
    expect(await pick({ eventTypes: [`${odd}.*`] })).toEqual([]);
    expect(await pick({ eventTypes: [odd, 'ticket.created'] })).toEqual([1]);
    expect(await pick({ text: odd })).toEqual([]);
  }
});

test('a word of a list is found that PostgreSQL could not read, and so is its escape in a payload', async () => {
  await add({ tags: ['a\0b'], channels: [HALF], payload: '{"a":"x\\u0000y"}' });
  expect(await pick({ tag: 'a\0b' })).toEqual([1]);
  expect(await pick({ channel: HALF })).toEqual([1]);
  expect(await pick({ channels: ['x', HALF] })).toEqual([1]);
  expect(await pick({ text: 'x\0y' })).toEqual([1]);
  expect(await pick({ text: 'a\0b' })).toEqual([1]);
});

test('names that an object would take for something else are event types like others', async () => {
  await add({ eventType: '__proto__' });
  await add({ eventType: '7' });
  expect(await pick({ eventTypes: ['__proto__'] })).toEqual([1]);
  expect(await pick({ eventTypes: ['7', 'constructor'] })).toEqual([2]);
});

test('payloads are counted in characters, whatever bytes they have', async () => {
  for (let count = 0; count < 5; count++) await add({ payload: JSON.stringify('ü'.repeat(998)) });
  await add({ payload: JSON.stringify('日'.repeat(998)) });
  await add({ payload: JSON.stringify('🦊'.repeat(499)) });
  const page = { applicationKey: 1, limit: 9, before: null, after: null, withPayload: true };
  for (const [payloadCharacters, expected] of [
    [7_000, 7],
    [6_999, 7],
    [5_999, 6],
    [3_500, 4],
    [3_000, 4],
    [2_999, 3],
    [0, 2],
  ] as const) {
    const { rows } = await store.messageList({ ...page, payloadCharacters });
    expect([payloadCharacters, rows.length]).toEqual([payloadCharacters, expected]);
    expect(rows.every(({ payload }) => payload?.length === 1_000)).toBe(true);
  }
});

/** A message as it is in the table; its key is the number of those before it and one. */
async function add(fields: {
  eventType?: string;
  tags?: string[];
  channels?: string[];
  payload?: string;
}): Promise<void> {
  const { eventType = 'ticket.created', tags = null, channels = null, payload = '{}' } = fields;
  const [type, tagList, channelList, text] = [eventType, tags, channels, payload].map((value) =>
    value === null ? 'NULL' : quoted(typeof value === 'string' ? value : JSON.stringify(value)),
  );
  await database.query(
    `INSERT INTO posthorn.message (application_key, id, event_type, tags, channels, payload, created_at)
     SELECT 1, 'msg_' || (SELECT count(*) FROM posthorn.message), ${type}, ${tagList}, ${channelList}, ${text}, 0`,
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The keys of what a filter picks, newest first. */
async function pick(filter: MessageFilter): Promise<number[]> {
  const page = { applicationKey: 1, limit: 9, before: null, after: null, withPayload: false, scan: 1_000 };
  return (await store.messageList({ ...page, filter })).rows.map(({ key }) => key);
}
