import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/model/message.ts';
import { systemClock } from '../../src/system/clock.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** When a message is delivered, and how long its payload is kept. */

let world: World;
let stored: NewMessage[] = [];
const MSG = '/api/v1/app/1/msg';
beforeAll(async () => {
  world = await startWorld({
    store: (store) => ({
      ...store,
      messageAccept: (params) => {
        stored = params.publishes.flatMap(({ messages }) => messages);
        return store.messageAccept(params);
      },
    }),
  });
});
afterAll(() => world.close());

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const message = (more: object) => ({ eventType: 'a', payload: {}, ...more });
const publish = (more: object) => world.operate('POST', MSG, message(more));

describe('deliverAt', () => {
  it('is when delivery begins', async () => {
    const receiver = await startReceiver();
    const { application } = await world.addCompany('later');
    const path = `/api/v1/app/${application.number}`;
    await world.operate('POST', `${path}/endpoint`, { url: receiver.url });
    const deliverAt = inMs(700);
    const answer = await world.operate('POST', `${path}/msg`, message({ deliverAt, tags: ['t'] }));
    expect(answer.json()).toMatchObject({ deliverAt, tags: ['t'] });
    const { id } = answer.json();
    expect((await world.operate('GET', `${path}/msg/${id}`)).json()).toEqual(answer.json());
    const [delivery] = (await world.operate('GET', `${path}/msg/${id}/endpoint`)).json().data;
    expect(delivery).toMatchObject({ status: 1, state: 'pending', nextAttempt: deliverAt });
    await receiver.has(1);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(deliverAt));
    await receiver.close();
  });

  it.each([null, '2020-01-01T00:00:00Z', '2020-01-01T00:00:00.5+14:00'])(
    '%s is at once',
    async (deliverAt) => {
      const answer = await publish({ deliverAt });
      expect([answer.status, answer.json().deliverAt]).toEqual([202, null]);
    },
  );

  it('may be given in a batch, for each message', async () => {
    const deliverAt = inMs(HOUR_MS);
    const body = { messages: [message({}), message({ deliverAt, eventId: 'in-a-batch' })] };
    expect((await world.operate('POST', `${MSG}/batch`, body)).status).toBe(202);
    expect((await world.operate('GET', `${MSG}/in-a-batch`)).json().deliverAt).toBe(deliverAt);
  });
});

describe('expiresAt', () => {
  it('comes back in each call that shows the message, and is stored', async () => {
    const times = { expiresAt: inMs(2 * HOUR_MS), deliverAt: inMs(HOUR_MS) };
    const answer = await publish(times);
    expect([answer.status, answer.json()]).toEqual([202, expect.objectContaining(times)]);
    expect(stored[0]).toMatchObject({ expiresAt: Date.parse(times.expiresAt) });
    const { id } = answer.json();
    expect((await world.operate('GET', `${MSG}/${id}`)).json()).toEqual(answer.json());
    const { data } = (await world.operate('GET', `${MSG}?limit=1`)).json();
    expect(data[0]).toEqual(answer.json());
  });

  it('may be given in a batch, for each message', async () => {
    const expiresAt = inMs(90 * DAY_MS - 60_000);
    const body = { messages: [message({}), message({ expiresAt, eventId: 'expires-in-a-batch' })] };
    expect((await world.operate('POST', `${MSG}/batch`, body)).status).toBe(202);
    expect(stored.map((each) => each.expiresAt)).toEqual([null, Date.parse(expiresAt)]);
  });

  it('may be null', async () => {
    expect((await publish({ expiresAt: null })).json().expiresAt).toBeNull();
  });
});

describe('the time that a payload is kept', () => {
  it.each([
    [{}, null],
    [{ payloadRetentionPeriod: null, payloadRetentionHours: null }, null],
    [{ payloadRetentionPeriod: 90 }, null],
    [{ payloadRetentionHours: 2_160 }, null],
    [{ payloadRetentionPeriod: 5 }, 5 * DAY_MS],
    [{ payloadRetentionHours: 1 }, HOUR_MS],
    [{ payloadRetentionHours: 36, payloadRetentionPeriod: null }, 36 * HOUR_MS],
  ])('by %j', async (fields, keptMs) => {
    const before = Date.now();
    expect((await publish(fields)).status).toBe(202);
    const until = stored[0]?.payloadUntil ?? null;
    if (keptMs === null) {
      expect(until).toBeNull();
      return;
    }
    expect(until).toBeGreaterThanOrEqual(before + keptMs);
    expect(until).toBeLessThanOrEqual(Date.now() + keptMs);
  });
});

describe('times that cannot be', () => {
  it.each<[string, object, string[]]>([
    ['in 31 days', { deliverAt: inMs(31 * DAY_MS) }, ['deliverAt']],
    ['text', { deliverAt: 'tomorrow' }, ['deliverAt']],
    ['a date', { deliverAt: '2030-01-01' }, ['deliverAt']],
    ['a number', { deliverAt: 1_900_000_000 }, ['deliverAt']],
    ['expires now', { expiresAt: inMs(0) }, ['expiresAt']],
    ['expired', { expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt']],
    ['expires in 91 days', { expiresAt: inMs(91 * DAY_MS) }, ['expiresAt']],
    [
      'expires before it is delivered',
      { expiresAt: inMs(HOUR_MS), deliverAt: inMs(HOUR_MS + 1) },
      ['expiresAt'],
    ],
    ['expires as text', { expiresAt: 'tomorrow' }, ['expiresAt']],
    ['expires as a number', { expiresAt: 1_900_000_000 }, ['expiresAt']],
    ['expires in a leap second', { expiresAt: '2026-12-31T23:59:60Z' }, ['expiresAt']],
    ['a leap second', { deliverAt: '2026-12-31T23:59:60Z' }, ['deliverAt']],
    ['after the payload', { deliverAt: inMs(2 * HOUR_MS), payloadRetentionHours: 1 }, ['deliverAt']],
    ['no hours', { payloadRetentionHours: 0 }, ['payloadRetentionHours']],
    ['too many hours', { payloadRetentionHours: 2_161 }, ['payloadRetentionHours']],
    ['an hour and a half', { payloadRetentionHours: 1.5 }, ['payloadRetentionHours']],
    ['hours and days', { payloadRetentionHours: 200, payloadRetentionPeriod: 9 }, ['payloadRetentionHours']],
    ['91 days', { payloadRetentionPeriod: 91 }, ['payload_retention_period']],
    ['days as text', { payloadRetentionPeriod: '9' }, ['payloadRetentionPeriod']],
  ])('answer 422: %s', async (_what, fields, loc) => {
    const answer = await publish(fields);
    expect(answer.status).toBe(422);
    expect(answer.json()).toEqual({
      detail: [{ loc: ['body', ...loc], msg: expect.any(String), type: expect.any(String) }],
    });
  });

  it('name the message of a batch', async () => {
    const body = { messages: [message({}), message({ deliverAt: inMs(31 * DAY_MS) })] };
    const answer = await world.operate('POST', `${MSG}/batch`, body);
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['body', 'messages', 1, 'deliverAt']]);
  });
});

describe('no look at the clock', () => {
  it('is there for a message that says nothing of times', async () => {
    const asked: string[] = [];
    const now = () => {
      asked.push(new Error().stack ?? '');
      return systemClock.now();
    };
    const watched = await startWorld({ clock: { ...systemClock, now } });
    const of = async (more: object) => {
      asked.length = 0;
      expect((await watched.operate('POST', MSG, message(more))).status).toBe(202);
      return asked.filter((stack) => stack.includes('message-in.ts')).length;
    };
    expect(await of({ orderingKey: 'k', tags: ['t'] })).toBe(0);
    expect(await of({ expiresAt: inMs(HOUR_MS) })).toBe(1);
    await watched.close();
  });
});
