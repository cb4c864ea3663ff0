import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Sending again what failed or is held for an endpoint. */

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect out of it.
type Json = any;

let world: World;
let receiver: Receiver;
let status = 200;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [20] });
  receiver = await startReceiver((response) => response.writeHead(status).end());
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  status = 200;
  path = `/api/v1/app/${(await world.addCompany('recover')).application.number}`;
  await post('/endpoint', { url: receiver.url, uid: 'e' });
});

const DAY_MS = 86_400_000;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const post = (tail: string, body?: unknown) => world.operate('POST', `${path}${tail}`, body);
const recover = (body: unknown) => post('/endpoint/e/recover', body);
const disable = (disabled: boolean) => world.operate('PATCH', `${path}/endpoint/e`, { disabled });
const publish = (eventId: string) => post('/msg', { eventType: 'a', eventId, payload: {} });

async function states(): Promise<Record<string, string>> {
  const { data } = (await world.operate('GET', `${path}/endpoint/e/msg`)).json();
  return Object.fromEntries(data.map(({ eventId, state }: Json) => [eventId, state]));
}

describe('a recovery', () => {
  it('sends again what failed, and nothing else', async () => {
    await publish('good');
    await expect.poll(states, { timeout: 10_000 }).toEqual({ good: 'succeeded' });
    status = 500;
    for (const name of ['one', 'two']) await publish(name);
    await expect.poll(states, { timeout: 10_000 }).toMatchObject({ one: 'failed', two: 'failed' });
    status = 200;
    const answer = await recover({ since: ago(60_000) });
    expect([answer.status, answer.json()]).toEqual([
      202,
      {
        id: expect.stringMatching(/^qtask_[0-9A-Za-z]{27}$/),
        status: 'running',
        task: 'endpoint.recover',
        data: expect.objectContaining({ scanned: 0, affected: 0, rate: 100, waiting: null }),
        createdAt: expect.stringMatching(/Z$/),
        updatedAt: expect.stringMatching(/Z$/),
      },
    ]);
    await expect
      .poll(states, { timeout: 10_000 })
      .toEqual({ good: 'succeeded', one: 'succeeded', two: 'succeeded' });
    const attempts = async (id: string) =>
      (await world.operate('GET', `${path}/attempt/msg/${id}`)).json().data.length;
    expect([await attempts('good'), await attempts('one')]).toEqual([1, 3]);
  });

  it('counts first what it would send again', async () => {
    await publish('good');
    await expect.poll(states, { timeout: 10_000 }).toEqual({ good: 'succeeded' });
    await disable(true);
    await publish('one');
    await publish('two');
    await disable(false);
    const counted = await recover({ since: ago(60_000), dryRun: true });
    expect([counted.status, counted.json()]).toEqual([200, { count: 2, scanned: 3, complete: true }]);
    expect((await world.operate('GET', `${path}/task`)).json().data).toEqual([]);
    expect(await states()).toEqual({ good: 'succeeded', one: 'held', two: 'held' });
  });

  it('delivers what was held while the endpoint was disabled', async () => {
    await disable(true);
    await publish('held');
    expect(await states()).toEqual({ held: 'held' });
    const refused = await recover({ since: ago(60_000) });
    expect([refused.status, refused.json().code]).toEqual([400, 'endpoint_disabled']);
    await disable(false);
    expect(await states()).toEqual({ held: 'held' });
    expect((await recover({ since: ago(60_000) })).status).toBe(202);
    await expect.poll(states, { timeout: 10_000 }).toEqual({ held: 'succeeded' });
  });

  it('keeps to its range, whose end is cut to now', async () => {
    await disable(true);
    await publish('first');
    const { timestamp } = (await world.operate('GET', `${path}/msg/first`)).json();
    // Ids tell times apart in steps of 4 ms.
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(timestamp) + 20);
    await publish('second');
    await disable(false);
    const until = new Date(Date.parse(timestamp) + 8).toISOString();
    expect((await recover({ since: ago(60_000), until })).status).toBe(202);
    await expect.poll(states, { timeout: 10_000 }).toEqual({ first: 'succeeded', second: 'held' });
    expect((await recover({ since: ago(60_000), until: ago(-DAY_MS) })).status).toBe(202);
    await expect.poll(states, { timeout: 10_000 }).toEqual({ first: 'succeeded', second: 'succeeded' });
  });

  it('takes 14 days and some minutes, null for no end', async () => {
    expect((await recover({ since: ago(14 * DAY_MS + 60_000), until: null })).status).toBe(202);
    const past = { since: ago(50 * DAY_MS), until: ago(40 * DAY_MS) };
    expect((await recover(past)).status).toBe(202);
  });

  it.each<[string, () => unknown, unknown[]]>([
    ['nothing', () => ({}), ['body', '', '']],
    ['no time', () => ({ since: 'yesterday' }), ['body', 'since']],
    ['a number', () => ({ since: 5 }), ['body', 'since']],
    ['a leap second', () => ({ since: '2026-06-30T23:59:60Z' }), ['body', 'since']],
    ['an end that is no time', () => ({ since: ago(1_000), until: 'now' }), ['body', 'until']],
    ['a rate of none', () => ({ since: ago(1_000), rate: 0 }), ['body', 'rate']],
    ['a rate of too many', () => ({ since: ago(1_000), rate: 10_001 }), ['body', 'rate']],
    ['a field that there is not', () => ({ since: ago(1_000), dryrun: true }), ['body', 'dryrun']],
    ['a dry run that is no boolean', () => ({ since: ago(1_000), dryRun: 'yes' }), ['body', 'dryRun']],
    ['more than 14 days', () => ({ since: ago(14 * DAY_MS + 10 * 60_000) }), ['body', 'since']],
    ['15 days long ago', () => ({ since: ago(45 * DAY_MS), until: ago(30 * DAY_MS) }), ['body', 'since']],
    ['an end before its beginning', () => ({ since: ago(1_000), until: ago(2_000) }), ['body', 'since']],
    ['the future', () => ({ since: ago(-60_000), until: ago(-120_000) }), ['body', 'since']],
  ])('answers 422 to %s', async (_what, body, loc) => {
    const answer = await recover(body());
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, loc]);
  });

  it.each([
    ['now', { since: ago(-60_000) }],
    ['now', { since: ago(-60_000), until: ago(-120_000) }],
    ['`until`', { since: ago(1_000), until: ago(2_000) }],
  ])('says that it can not begin after %s', async (end, body) => {
    expect((await recover(body)).json().detail[0].msg).toBe(`must not be later than ${end}`);
  });

  it('answers 404 for an endpoint that is not there', async () => {
    expect((await post('/endpoint/nobody/recover', { since: ago(1_000) })).status).toBe(404);
  });
});
