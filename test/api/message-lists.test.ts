import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCANS_PER_APPLICATION } from '../../src/limits.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Lists of messages by what they are, and what is in them. */

let world: World;
let path: string;
/** Rows that the store looks at in one step, to meet the bounds with few of them. */
let stepRows = Number.POSITIVE_INFINITY;
beforeAll(async () => {
  world = await startWorld({
    store: (store) => ({
      ...store,
      messageList: ({ scan, ...params }) =>
        store.messageList({ ...params, ...(scan !== undefined && { scan: Math.min(scan, stepRows) }) }),
    }),
  });
  path = `/api/v1/app/${(await world.addCompany('filters')).application.number}`;
  const messages = [
    { eventType: 'a', eventId: 'e-1', channels: ['red'], payload: { text: 'Jane Doe' } },
    { eventType: 'b', eventId: 'e-2', channels: ['red', 'blue'], tags: ['t1'], payload: { text: 'jane' } },
    { eventType: 'a', eventId: 'e-3', tags: ['t1', 't2'], payload: { number: 4711 } },
    { eventType: 'a.b', eventId: 'e-4', channels: ['blue'], payload: { text: '100%_"\\' } },
    { eventType: 'c', eventId: 'e-5', tags: ['t2'], payload: {} },
  ];
  const batch = await world.operate('POST', `${path}/msg/batch`, { messages });
  expect(batch.status).toBe(202);
});
afterAll(() => world.close());

/** The event ids of a page, newest first. */
async function listed(query: string, at = path): Promise<string[]> {
  const answer = await world.operate('GET', `${at}/msg?${query}`);
  expect([query, answer.status]).toEqual([query, 200]);
  return answer.json().data.map(({ eventId }: { eventId: string }) => eventId);
}

describe('a list of messages', () => {
  it.each([
    ['event_types=a', ['e-3', 'e-1']],
    ['event_types=a,c', ['e-5', 'e-3', 'e-1']],
    ['event_types=a&event_types=b', ['e-3', 'e-2', 'e-1']],
    ['event_types[]=a&event_types[]=c', ['e-5', 'e-3', 'e-1']],
    ['event_types%5B%5D=b', ['e-2']],
    ['event_types[0]=a.b&event_types[1]=c', ['e-5', 'e-4']],
    ['event_types=a,b&event_types=c', ['e-5', 'e-3', 'e-2', 'e-1']],
    ['event_types=no.such', []],
    ['matched=false', ['e-5', 'e-4', 'e-3', 'e-2', 'e-1']],
    ['matched=true', []],
    ['event_types=', ['e-5', 'e-4', 'e-3', 'e-2', 'e-1']],
    ['channel=red', ['e-2', 'e-1']],
    ['channel=re', []],
    ['tag=t1', ['e-3', 'e-2']],
    ['tag=t2&event_types=a', ['e-3']],
    ['channel=blue&tag=t1&with_content=false', ['e-2']],
  ])('takes the filter %s', async (query, expected) => {
    expect(await listed(query)).toEqual(expected);
  });

  it('searches ids, event types, tags and the text of payloads', async () => {
    const { id } = (await world.operate('GET', `${path}/msg/e-4`)).json();
    for (const [text, expected] of [
      [id, ['e-4']],
      ['e-2', ['e-2']],
      ['a.b', ['e-4']],
      ['t2', ['e-5', 'e-3']],
      ['Jane', ['e-1']],
      ['jane', ['e-2']],
      ['4711', ['e-3']],
      ['"number":4711', ['e-3']],
      ['100%_', ['e-4']],
      ['10%', []],
      ['_"', ['e-4']],
      ['_"x', []],
      ['e-', []],
    ] as const) {
      expect([text, await listed(`search=${encodeURIComponent(text)}`)]).toEqual([text, expected]);
      const bare = await listed(`with_content=false&search=${encodeURIComponent(text)}`);
      expect([text, bare]).toEqual([text, expected]);
    }
    expect(await listed('search=jane&channel=blue')).toEqual(['e-2']);
    expect(await listed('search=jane&tag=t2')).toEqual([]);
  });

  it('leaves the payload out without content, and ignores what it does not know', async () => {
    const [first] = (await world.operate('GET', `${path}/msg/?with_content=false&tag=t2&nonsense=1`)).json()
      .data;
    expect(first).toEqual({
      eventId: 'e-5',
      eventType: 'c',
      payload: {},
      channels: null,
      tags: ['t2'],
      id: expect.stringMatching(/^msg_/),
      timestamp: expect.any(String),
      deliverAt: null,
      expiresAt: null,
      orderingKey: null,
      matched: false,
    });
  });

  it('pages through what a filter finds, there and back, and between times', async () => {
    const page = async (query: string) => (await world.operate('GET', `${path}/msg?${query}`)).json();
    const ids = ({ data }: { data: { eventId: string }[] }) => data.map(({ eventId }) => eventId);
    const first = await page('event_types=a,b&limit=2');
    expect([ids(first), first.done]).toEqual([['e-3', 'e-2'], false]);
    const second = await page(`event_types=a,b&limit=2&iterator=${first.iterator}`);
    expect([ids(second), second.done]).toEqual([['e-1'], true]);
    const back = await page(`event_types=a,b&limit=2&iterator=${second.prevIterator}`);
    expect([ids(back), back.done]).toEqual([['e-3', 'e-2'], true]);
    expect(await listed('event_types=a&after=2020-01-01T00:00:00Z&limit=1')).toEqual(['e-3']);
    expect(await listed('event_types=a&before=9999-12-31T00:00:00Z&limit=1')).toEqual(['e-3']);
    expect(await listed('event_types=a&before=2020-01-01T00:00:00%2B14:00')).toEqual([]);
  });

  it('finds messages by the state of their deliveries', async () => {
    const good = await startReceiver();
    const bad = await startReceiver((response) => response.writeHead(500).end());
    const { application } = await world.addCompany('by state');
    const at = `/api/v1/app/${application.number}`;
    const endpoint = async (eventType: string, url: string, disabled = false) =>
      world.operate('POST', `${at}/endpoint`, { url, disabled, eventTypes: [eventType] });
    await endpoint('ticket.created', good.url);
    await endpoint('ticket.updated', bad.url);
    await endpoint('ticket.updated', good.url);
    await endpoint('comment.created', good.url, true);
    for (const eventType of ['ticket.created', 'ticket.updated', 'comment.created', 'other']) {
      await world.operate('POST', `${at}/msg`, { eventType, eventId: eventType, payload: {} });
    }
    await expect.poll(() => listed('status=2', at), { timeout: 10_000 }).toEqual(['ticket.updated']);
    await expect.poll(() => listed('status=0', at)).toEqual(['ticket.updated', 'ticket.created']);
    expect(await listed('status=1', at)).toEqual(['comment.created']);
    expect(await listed('status=3', at)).toEqual([]);
    expect(await listed('status=4', at)).toEqual([]);
    await world.operate('DELETE', `${at}/msg/comment.created/content`);
    expect(await listed('status=4', at)).toEqual(['comment.created']);
    await good.close();
    await bad.close();
  });

  it('ends a page after so many rows, says how far it came, and goes on from there', async () => {
    const { application } = await world.addCompany('many');
    const at = `/api/v1/app/${application.number}`;
    const messages = Array.from({ length: 1_000 }, (_, index) => ({
      eventType: index === 80 || index === 920 ? 'rare' : 'common',
      eventId: `e-${index}`,
      payload: {},
    }));
    await world.operate('POST', `${at}/msg/batch`, { messages });
    const page = async (query: string) => {
      const answer = (await world.operate('GET', `${at}/msg?event_types=rare&limit=2&${query}`)).json();
      return { ...answer, data: answer.data.map(({ eventId }: { eventId: string }) => eventId) };
    };
    // A call takes at most four hundred steps.
    stepRows = 1;
    try {
      const first = await page('');
      expect(first).toMatchObject({ data: ['e-920'], done: false });
      const second = await page(`iterator=${first.iterator}`);
      expect(second).toMatchObject({ data: [], done: false });
      expect('prevIterator' in second).toBe(false);
      const third = await page(`iterator=${second.iterator}`);
      expect(third).toMatchObject({ data: ['e-80'], done: true });
      const up = await page(`iterator=${third.prevIterator}`);
      expect(up).toMatchObject({ data: [], done: false });
      const further = await page(`iterator=${up.prevIterator}`);
      expect(further).toMatchObject({ data: [], done: false });
      expect(await page(`iterator=${further.prevIterator}`)).toMatchObject({ data: ['e-920'], done: true });
    } finally {
      stepRows = Number.POSITIVE_INFINITY;
    }
  });

  it('refuses searches of one application past a number that go on, and none of others', async () => {
    const { application } = await world.addCompany('searched');
    const at = `/api/v1/app/${application.number}`;
    const messages = Array.from({ length: 40 }, () => ({ eventType: 'common', payload: {} }));
    await world.operate('POST', `${at}/msg/batch`, { messages });
    const other = await world.addCompany('other');
    const searches = (count: number, query: string) =>
      Promise.all(Array.from({ length: count }, () => world.operate('GET', `${at}/msg?${query}`)));
    // Any number is fine where each is done at once.
    const short = await searches(3 * SCANS_PER_APPLICATION, 'tag=none');
    expect(new Set(short.map(({ status }) => status))).toEqual(new Set([200]));
    stepRows = 1;
    try {
      const asked = searches(SCANS_PER_APPLICATION + 4, 'tag=none');
      const beside = world.operate('GET', `/api/v1/app/${other.application.number}/msg?tag=none`);
      const refused = (await asked).filter(({ status }) => status !== 200);
      expect(refused.map(({ status }) => status)).toEqual([429, 429, 429, 429]);
      expect(refused[0]?.json().code).toBe('too_many_requests');
      expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0);
      expect((await beside).status).toBe(200);
      const again = await searches(SCANS_PER_APPLICATION, 'tag=none');
      expect(new Set(again.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      stepRows = Number.POSITIVE_INFINITY;
    }
  });

  it.each([
    'msg_',
    'msg_!',
    `msg_${'!'.repeat(27)}`,
    `msg_${'z'.repeat(27)}`,
    `ep_${'0'.repeat(27)}`,
    '-',
    '--x',
  ])('answers 422 to the iterator %s', async (iterator) => {
    for (const query of ['', 'tag=t1&']) {
      const answer = await world.operate(
        'GET',
        `${path}/msg?${query}iterator=${encodeURIComponent(iterator)}`,
      );
      expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['query', 'iterator']]);
    }
  });

  it.each([
    'status=5',
    'status=-1',
    'status=x',
    'status=1&status=2',
    'search=',
    `search=${'x'.repeat(257)}`,
    'channel=',
    'tag=a&tag=b',
    'before=2026-01-01',
    'after=2026-06-30T23:59:60Z',
  ])('answers 400 to %s', async (query) => {
    const answer = await world.operate('GET', `${path}/msg?${query}`);
    expect([answer.status, answer.json().code]).toEqual([400, 'generic_error']);
  });
});
