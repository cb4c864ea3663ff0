import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { seededRandom } from '../helpers/manual-clock.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/**
 * A client that follows `iterator` until `done` sees every row once, whatever filter and times it asks for; one that goes
 * back by `prevIterator` too; and whoever turns round anywhere finds the rows next to where it was.
 */

interface Row {
  readonly id: string;
  readonly eventType?: string;
  readonly status?: number;
  readonly timestamp: string;
}
interface Page {
  readonly data: readonly Row[];
  readonly iterator: string | null;
  readonly prevIterator?: string;
  readonly done: boolean;
}

const MINUTE_MS = 60_000;
const MESSAGES = 110;
const LARGE = 'x'.repeat(900_000);

let world: World;
let receiver: Receiver;
let shiftMs = 0;
let endpoint: string;
/** Between what was published at two times. */
const times: string[] = [];
beforeAll(async () => {
  // A filter looks at one row a step, so that a call ends after a hundred rows, with a short page.
  world = await startWorld({
    clock: { ...systemClock, now: () => systemClock.now() + shiftMs },
    retryScheduleMs: [60 * MINUTE_MS],
    store: (store) => ({
      ...store,
      messageList: ({ scan, ...params }) => store.messageList({ ...params, ...(scan && { scan: 1 }) }),
      attemptList: ({ scan, ...params }) => store.attemptList({ ...params, ...(scan && { scan: 1 }) }),
    }),
  });
  receiver = await startReceiver((response, _received, count) =>
    response.writeHead(count % 9 === 0 ? 400 : 200).end(),
  );
  endpoint = (await operate('POST', '/endpoint', { url: receiver.url })).json().id;
  for (let part = 0; part < 3; part++) {
    const messages = Array.from({ length: MESSAGES }, (_, index) => ({
      eventType: index % 50 === 7 ? 'rare' : index % 3 === 0 ? 'third' : 'other',
      payload: index % 20 === 5 ? { text: LARGE } : {},
    }));
    expect((await operate('POST', '/msg/batch', { messages })).status).toBe(202);
    const count = MESSAGES * (part + 1);
    await vi.waitFor(
      async () => expect(await all(`/attempt/endpoint/${endpoint}`)).toHaveLength(count),
      20_000,
    );
    shiftMs += MINUTE_MS;
    times.push(new Date(systemClock.now() + shiftMs - MINUTE_MS / 2).toISOString());
  }
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});

function operate(method: string, path: string, body?: unknown) {
  return world.operate(method, `/api/v1/app/1${path}`, body);
}

async function page(path: string, query: string, iterator: string | null | undefined): Promise<Page> {
  const from = iterator ? `&iterator=${iterator}` : '';
  const answer = await operate('GET', `${path}?${query}${from}`);
  expect([path, query, iterator, answer.status]).toEqual([path, query, iterator, 200]);
  return answer.json();
}

/** Every row of a list, without a filter. */
async function all(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let iterator: string | null = null; ; ) {
    const found: Page = await page(path, 'limit=250&with_content=false', iterator);
    rows.push(...found.data);
    if (found.done) return rows;
    iterator = found.iterator;
  }
}

/** The pages of a client's loop. */
async function loop(
  path: string,
  query: string,
  next: (page: Page) => string | null | undefined,
  from: string | null = null,
): Promise<Page[]> {
  const pages: Page[] = [];
  for (let iterator: string | null | undefined = from; ; ) {
    const found = await page(path, query, iterator);
    pages.push(found);
    if (found.done) return pages;
    iterator = next(found);
    expect(iterator).toEqual(expect.any(String));
  }
}

const idsOf = (pages: readonly Page[]) => pages.flatMap(({ data }) => data.map(({ id }) => id));

const windows = [
  ['at any time', () => '', () => true],
  ['after a time', () => `&after=${times[0]}`, (at: string) => at > (times[0] ?? '')],
  ['before a time', () => `&before=${times[1]}`, (at: string) => at < (times[1] ?? '')],
  [
    'between times',
    () => `&after=${times[0]}&before=${times[1]}`,
    (at: string) => at > (times[0] ?? '') && at < (times[1] ?? ''),
  ],
] as const;
const lists = [
  ['messages', () => '/msg', '', () => true],
  ['messages with payloads', () => '/msg', '&with_content=true', () => true],
  ['messages of a common type', () => '/msg', '&event_types=third', (row: Row) => row.eventType === 'third'],
  ['messages of a rare type', () => '/msg', '&event_types=rare', (row: Row) => row.eventType === 'rare'],
  ['messages of an endpoint', () => `/endpoint/${endpoint}/msg`, '', () => true],
  [
    'messages of a rare type of an endpoint',
    () => `/endpoint/${endpoint}/msg`,
    '&event_types=rare',
    (row: Row) => row.eventType === 'rare',
  ],
  ['attempts', () => `/attempt/endpoint/${endpoint}`, '', () => true],
  ['failed attempts', () => `/attempt/endpoint/${endpoint}`, '&status=2', (row: Row) => row.status === 2],
] as const;

describe.each(lists)('a list of %s', (_name, pathOf, filter, isWanted) => {
  it.each(windows)('%s has every row once, there and back', async (_when, windowOf, isWithin) => {
    const path = pathOf();
    const expected = (await all(path)).filter((row) => isWanted(row) && isWithin(row.timestamp));
    const ids = expected.map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(1);
    const random = seededRandom(ids.length);
    const limit = 1 + Math.floor(random.fraction() * Math.min(60, ids.length));
    const content = filter.includes('with_content') ? '' : '&with_content=false';
    const query = `limit=${limit}${content}${filter}${windowOf()}`;

    const there = await loop(path, query, ({ iterator }) => iterator);
    expect(idsOf(there)).toEqual(ids);
    const last = there.findLast(({ data }) => data.length > 0) as Page;
    const back = await loop(path, query, ({ prevIterator }) => prevIterator, last.prevIterator);
    expect([...idsOf(back.reverse()), ...idsOf([last])]).toEqual(ids);

    let current = there[0] as Page;
    for (let steps = 0; steps < 12; steps++) {
      const forwards = random.fraction() < 0.6;
      const [first, end] = [
        ids.indexOf(current.data[0]?.id ?? ''),
        ids.indexOf(current.data.at(-1)?.id ?? ''),
      ];
      let found = current;
      do found = await page(path, query, forwards ? found.iterator : found.prevIterator);
      while (found.data.length === 0 && !found.done);
      if (found.data.length === 0) {
        expect(forwards ? end : first).toBe(forwards ? ids.length - 1 : 0);
        continue;
      }
      const at = forwards ? end + 1 : first - found.data.length;
      expect(idsOf([found])).toEqual(ids.slice(at, at + found.data.length));
      current = found;
    }
  });
});
