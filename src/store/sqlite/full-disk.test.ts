import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Publish, Store } from '../store.ts';
import { type Connection, openConnection } from './connection.ts';
import { migrate } from './migrate.ts';
import { storeOn } from './open.ts';

/** Room for the file to grow: SQLite answers SQLITE_FULL past it, as it does when the disk is full. */
const SPARE_PAGES = 40;

let folder: string;
let connection: Connection;
let store: Store;
let ids = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-full-'));
  connection = openConnection(join(folder, 'posthorn.db'));
  migrate(connection);
  store = storeOn(connection, { release() {} });
  const application = { id: 'app_1', uid: null, name: 'Acme', throttleRate: null, metadata: {}, now: 1 };
  await store.applicationInsert(application);
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

describe('a full disk', () => {
  test('refuses for now, writes nothing, and is forgotten once there is room', async () => {
    const fits = publish('fits', 1_000);
    expect(await accept(fits)).toMatchObject([{ kind: 'accepted', messageKeys: [1] }]);
    setRoom(SPARE_PAGES);
    const refused = publish('refused', 1_000_000);
    await expect(accept(publish('before', 10), refused)).rejects.toMatchObject({ code: 'unavailable' });
    expect(connection.inTransaction).toBe(false);
    expect(await eventIds()).toEqual(['fits']);
    expect(connection.pragma('integrity_check', { simple: true })).toBe('ok');
    // What is small enough goes on, under the key that follows: none was used up or is used twice.
    expect(await accept(publish('small', 10))).toMatchObject([{ kind: 'accepted', messageKeys: [2] }]);
    await expect(accept(refused)).rejects.toMatchObject({ code: 'unavailable' });
    setRoom(1_000_000);
    expect(await accept(refused)).toMatchObject([{ kind: 'accepted', messageKeys: [3] }]);
    expect(await eventIds()).toEqual(['small', 'refused', 'fits']);
    await store.check();
  });

  test('records nothing of a batch that does not fit', async () => {
    await accept(publish('one', 10));
    setRoom(SPARE_PAGES);
    const lease = { messageKey: 1, endpointKey: 1, fence: 7, resendKey: null, orderKey: null };
    const headers = { requestHeaders: '', responseHeaders: '' };
    const exchange = { startedAt: 1, durationMs: 1, status: 200, retryAfter: null, error: null, ...headers };
    const results = [1, 2].map((number) => ({
      applicationKey: 1,
      lease,
      verdict: { state: 'succeeded' as const },
      announce: null,
      keepLease: false,
      attempt: {
        ...{ id: `atmpt_${number}`, messageKey: 1, endpointKey: 1, number, trigger: 'scheduled' as const },
        url: 'https://example.com/',
        exchange: { ...exchange, body: 'x'.repeat(1_000_000) },
      },
    }));
    await expect(store.deliveryRecord({ results, now: 1 })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await store.deliveryCountOpen({})).toEqual({ pending: 0, sending: 1, held: 0 });
    setRoom(1_000_000);
    expect((await store.deliveryRecord({ results, now: 1 })).held).toEqual([true, false]);
  });
});

function setRoom(pages: number): void {
  const used = connection.pragma('page_count', { simple: true }) as number;
  connection.pragma(`max_page_count = ${used + pages}`);
}

function publish(eventId: string, payloadCharacters: number): Publish {
  const message = {
    id: `msg_${++ids}`,
    eventId,
    eventType: 'ticket.created',
    channels: null,
    tags: null,
    payload: 'x'.repeat(payloadCharacters),
    deliverAt: null,
    expiresAt: null,
    orderingKey: null,
    payloadUntil: null,
    createdAt: 1,
    deliveries: [{ endpointKey: 1, state: 'sending' as const, orderKey: null }],
  };
  return { applicationKey: 1, revision: 0, messages: [message], idempotency: null };
}

function accept(...publishes: Publish[]) {
  return store.messageAccept({ publishes, fence: 7, now: 1 });
}

async function eventIds(): Promise<(string | null)[]> {
  const page = { applicationKey: 1, limit: 9, before: null, after: null, withPayload: false };
  return (await store.messageList(page)).rows.map(({ eventId }) => eventId);
}
