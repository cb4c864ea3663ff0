import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { publish } from '../../src/index.ts';
import { startTestApp } from '../helpers/app.ts';
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';

/** A whole Posthorn on the database, and a publisher's connection to it. */
let database: TestDatabase;
let app: Awaited<ReturnType<typeof startTestApp>>;
let receiver: Receiver;
let client: pg.Client;
beforeEach(async () => {
  database = await testDatabase();
  app = await startTestApp({ POSTHORN_STORE: database.url });
  receiver = await startReceiver();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await app.dispose();
  await receiver.close();
  await database.dispose();
});

const ENDPOINT = '/api/v1/app/1/endpoint';
const event = (n: number) => ({ application: 1, eventType: 'ticket.created', payload: { n } });
const numbers = () => receiver.received.map(({ body }) => JSON.parse(body).n);

it('what was committed arrives, as what came over HTTP does; what was rolled back does not', async () => {
  await app.operate('POST', ENDPOINT, { url: receiver.url });
  await client.query('BEGIN');
  await publish(event(1), { client });
  await client.query('ROLLBACK');
  await client.query('BEGIN');
  const { id } = await publish({ ...event(2), eventId: 'two', tags: ['t'] }, { client });
  await client.query('COMMIT');
  await receiver.has(1);
  expect(receiver.received[0]?.headers['webhook-id']).toBe(id);
  expect(receiver.received[0]?.body).toBe('{"n":2}');
  expect(await app.settled(id)).toMatchObject([{ state: 'succeeded' }]);
  const { body } = await app.operate('GET', '/api/v1/app/1/msg/two');
  expect(body).toMatchObject({ id, eventId: 'two', tags: ['t'], payload: { n: 2 }, matched: true });
  await app.publish('{"n":3}');
  await receiver.has(2);
  expect(numbers()).toEqual([2, 3]);
});

it('what is ordered arrives in order, from transactions of all kinds and over HTTP', async () => {
  await app.operate('POST', ENDPOINT, { url: receiver.url, ordering: 'endpoint' });
  let n = 0;
  for (const level of [
    'READ COMMITTED',
    'SERIALIZABLE',
    'REPEATABLE READ',
    'READ COMMITTED',
    'SERIALIZABLE',
  ]) {
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    for (let each = 0; each < 5; each++) await publish(event(++n), { client });
    await client.query('COMMIT');
    await app.publish(`{"n":${++n}}`);
  }
  await receiver.has(30);
  expect(numbers()).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
});

it('what a pause holds that came during the transaction goes out when it ends', async () => {
  const { body: endpoint } = await app.operate('POST', ENDPOINT, { url: receiver.url });
  await client.query('BEGIN');
  const { id } = await publish(event(1), { client });
  await app.operate('PATCH', `${ENDPOINT}/${endpoint.id}`, { paused: true });
  await client.query('COMMIT');
  const { body } = await app.operate('GET', `/api/v1/app/1/msg/${id}/endpoint`);
  expect(body.data).toMatchObject([{ state: 'held' }]);
  await app.operate('PATCH', `${ENDPOINT}/${endpoint.id}`, { paused: false });
  await receiver.has(1);
  expect(await app.settled(id)).toMatchObject([{ state: 'succeeded' }]);
});

it('what is committed while no Posthorn runs arrives when one does', async () => {
  await app.operate('POST', ENDPOINT, { url: receiver.url });
  await app.stop();
  await publish(event(1), { client });
  await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
  await publish(event(2), { client });
  await client.query('COMMIT');
  await app.restart();
  await receiver.has(2);
  expect(numbers().toSorted()).toEqual([1, 2]);
});
