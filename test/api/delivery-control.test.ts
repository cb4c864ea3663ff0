import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** What an endpoint says of how it is delivered to: in, out, and back in. */

let world: World;
let company: Company;
let path: string;
beforeAll(async () => {
  world = await startWorld({ retryScheduleMs: [20, 3_000] });
});
beforeEach(async () => {
  company = await world.addCompany('control');
  path = `/api/v1/app/${company.application.number}/endpoint`;
});
afterAll(() => world.close());

const url = 'http://127.0.0.1:1/';
const usual = {
  paused: false,
  pausedAt: null,
  disabledReason: null,
  disabledAt: null,
  maxInFlight: 32,
  ordering: 'none',
  retrySchedule: { preset: 'default', delaysSeconds: [0.02, 3], jitter: 0.2 },
  finalStatuses: [],
};
const control = {
  paused: true,
  maxInFlight: 256,
  ordering: 'key',
  retrySchedule: { delaysSeconds: [0.1, 60, 604_800], jitter: 0.5 },
  finalStatuses: [400, 404, 599, 300],
};
const controlShown = { ...control, retrySchedule: { preset: null, ...control.retrySchedule } };

const call = async (status: number, method: string, ref: string, body?: unknown) => {
  const answer = await world.operate(method, ref === '' ? path : `${path}/${ref}`, body);
  expect([answer.status, answer.text]).toEqual([status, answer.text]);
  return answer.text === '' ? null : answer.json();
};
const create = (body: object = {}) => call(201, 'POST', '', { url, ...body });

describe('an endpoint', () => {
  it('has the usual where nothing is said, also made by PUT or through the Web Hooks API', async () => {
    expect(await create()).toMatchObject(usual);
    expect(await call(201, 'PUT', 'unknown', { url, uid: 'put' })).toMatchObject(usual);
    const hook = await world.hooks('POST', '/web_hooks.json', { web_hook: { url } }, company);
    expect(await call(200, 'GET', hook.json().web_hook.id)).toMatchObject(usual);
  });

  it('has what is said of it, in each call that shows it', async () => {
    const made = await create(control);
    expect(made).toMatchObject({ ...controlShown, pausedAt: made.createdAt });
    expect(await call(200, 'GET', made.id)).toEqual(made);
    expect((await call(200, 'GET', '')).data).toEqual([made]);
    const put = await call(201, 'PUT', 'unknown', { url, uid: 'put', ...control });
    expect(put).toMatchObject(controlShown);
  });

  it.each([
    [{ preset: 'default' }, usual.retrySchedule],
    [
      { preset: 'help-desk', jitter: 0.05 },
      { preset: 'help-desk', delaysSeconds: [3_600, 3_600], jitter: 0.05 },
    ],
    [{ preset: 'fast' }, { preset: 'fast', delaysSeconds: [1, 5, 15, 60, 180], jitter: 0.2 }],
    [{ delaysSeconds: [] }, { preset: null, delaysSeconds: [], jitter: 0.2 }],
    [
      { preset: null, delaysSeconds: [1.5], jitter: 0 },
      { preset: null, delaysSeconds: [1.5], jitter: 0 },
    ],
    [{ preset: 'fast', delaysSeconds: [9], jitter: 0.2 }, { preset: 'fast' }],
    [null, usual.retrySchedule],
  ])('has the retry schedule %j as what it comes to', async (retrySchedule, shown) => {
    expect((await create({ retrySchedule })).retrySchedule).toMatchObject(shown);
  });

  it('that is disabled says by whom and since when, and shows in the Web Hooks API as before', async () => {
    const made = await create({ disabled: true });
    expect(made).toMatchObject({ disabledReason: 'manual', disabledAt: made.createdAt });
    await create({ paused: true });
    const { web_hooks: hooks } = (await world.hooks('GET', '/web_hooks.json', undefined, company)).json();
    expect(hooks.map((each: object) => Object.keys(each))).toEqual([
      ['id', 'url'],
      ['id', 'url'],
    ]);
    const moved = { web_hook: { url: 'http://127.0.0.1:2/' } };
    await world.hooks('PUT', `/web_hooks/${made.webHookId}.json`, moved, company);
    const { disabledReason, disabledAt } = made;
    expect(await call(200, 'GET', made.id)).toMatchObject({ disabled: true, disabledReason, disabledAt });
    expect(await call(200, 'PATCH', made.id, { disabled: false })).toMatchObject(usual);
  });

  it('keeps the time that it was paused or disabled at, while it is', async () => {
    const made = await create({ paused: true, disabled: true });
    const again = await call(200, 'PATCH', made.id, { paused: true, disabled: true, description: 'x' });
    expect([again.pausedAt, again.disabledAt]).toEqual([made.pausedAt, made.disabledAt]);
    expect(await call(200, 'PATCH', made.id, { paused: false })).toMatchObject({
      pausedAt: null,
      disabled: true,
    });
  });
});

describe('PUT', () => {
  it('keeps what clients of the protocol leave out, and clears the rest', async () => {
    const made = await create({ ...control, description: 'before', throttleRate: 4 });
    const replaced = await call(200, 'PUT', made.id, { url });
    expect(replaced).toEqual({
      ...made,
      description: '',
      throttleRate: null,
      rateLimit: null,
      updatedAt: expect.any(String),
    });
  });

  it('resets by null', async () => {
    const { id } = await create({ ...control, paused: false });
    const nulls = {
      ...{ maxInFlight: null, ordering: null, retrySchedule: null, finalStatuses: null, paused: null },
    };
    expect(await call(200, 'PUT', id, { url, ...nulls })).toMatchObject(usual);
  });

  it.each([{}, control, { ...control, retrySchedule: { preset: 'help-desk' }, disabled: true }])(
    'takes back what GET answers, unchanged: %j',
    async (fields) => {
      const made = await create({ ...fields, uid: 'round', eventTypes: ['ticket.*'], channels: ['c'] });
      const back = await call(200, 'PUT', made.id, await call(200, 'GET', made.id));
      expect(back).toEqual({ ...made, updatedAt: expect.any(String) });
      const patched = await call(200, 'PATCH', made.id, withoutNulls(back));
      expect(patched).toEqual({ ...made, updatedAt: expect.any(String) });
    },
  );

  /** A PATCH takes no null where there can be none. */
  const withoutNulls = (fields: object) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
});

describe('PATCH', () => {
  it('changes what is named alone, and resets by null', async () => {
    const { id } = await create();
    let expected: object = usual;
    for (const [change, shown] of [
      [{ maxInFlight: 1 }, {}],
      [{ ordering: 'endpoint' }, {}],
      [{ finalStatuses: [404, 404] }, { finalStatuses: [404] }],
      [
        { retrySchedule: { delaysSeconds: [9] } },
        { retrySchedule: { preset: null, delaysSeconds: [9], jitter: 0.2 } },
      ],
    ]) {
      expected = { ...expected, ...change, ...shown };
      expect(await call(200, 'PATCH', id, change)).toMatchObject(expected);
    }
    await call(200, 'PATCH', id, { paused: true });
    const nulls = {
      ...{ maxInFlight: null, retrySchedule: null, finalStatuses: null, ordering: null, paused: null },
    };
    expect(await call(200, 'PATCH', id, nulls)).toMatchObject(usual);
  });
});

describe('what is refused with 422', () => {
  const AT = ['body', 'retrySchedule'];
  it.each<[object, (string | number)[], string]>([
    [{ paused: 'no' }, ['body', 'paused'], 'must be boolean'],
    [{ maxInFlight: 0 }, ['body', 'maxInFlight'], 'must be >= 1'],
    [{ maxInFlight: 257 }, ['body', 'maxInFlight'], 'must be <= 256'],
    [{ maxInFlight: 1.5 }, ['body', 'maxInFlight'], 'must be integer'],
    [{ ordering: 'keys' }, ['body', 'ordering'], 'must be one of none, endpoint, key'],
    [{ retrySchedule: 'fast' }, AT, 'must be object'],
    [{ retrySchedule: {} }, AT, 'must have a preset or delaysSeconds'],
    [{ retrySchedule: { preset: null, jitter: 0 } }, AT, 'must have a preset or delaysSeconds'],
    [{ retrySchedule: { preset: 'slow' } }, [...AT, 'preset'], 'must be one of default, help-desk, fast'],
    [
      { retrySchedule: { preset: 'fast', jitter: 0 } },
      [...AT, 'jitter'],
      'must be 0.2 or left out beside this preset. Give delaysSeconds without a preset to choose it',
    ],
    [{ retrySchedule: { delaysSeconds: 5 } }, [...AT, 'delaysSeconds'], 'must be array'],
    [{ retrySchedule: { delaysSeconds: [1, 'x'] } }, [...AT, 'delaysSeconds', 1], 'must be number'],
    [{ retrySchedule: { delaysSeconds: [1, 0.09] } }, [...AT, 'delaysSeconds', 1], 'must be >= 0.1'],
    [{ retrySchedule: { delaysSeconds: [604_801] } }, [...AT, 'delaysSeconds', 0], 'must be <= 604800'],
    [
      { retrySchedule: { delaysSeconds: Array(21).fill(1) } },
      [...AT, 'delaysSeconds'],
      'must not have more than 20 items',
    ],
    [{ retrySchedule: { delaysSeconds: [1], jitter: 1.1 } }, [...AT, 'jitter'], 'must be <= 1'],
    [{ finalStatuses: [299] }, ['body', 'finalStatuses', 0], 'must be >= 300'],
    [{ finalStatuses: [404, 600] }, ['body', 'finalStatuses', 1], 'must be <= 599'],
    [{ finalStatuses: Array(51).fill(404) }, ['body', 'finalStatuses'], 'must not have more than 50 items'],
  ])('%j', async (fields, loc, msg) => {
    const { id } = await create({ description: 'before' });
    for (const [method, ref] of [
      ['POST', ''],
      ['PUT', `/${id}`],
      ['PATCH', `/${id}`],
    ] as const) {
      const answer = await world.operate(method, `${path}${ref}`, { url, ...fields });
      expect([method, answer.status, answer.json().detail]).toEqual([
        method,
        422,
        [{ loc, msg, type: expect.any(String) }],
      ]);
    }
    expect(await call(200, 'GET', id)).toMatchObject({ ...usual, description: 'before' });
  });
});

describe('eventTypes', () => {
  it('can be ticket.*, of which at least one is in the catalogue', async () => {
    const eventTypes = ['ticket.*', 'comment.created', 'ticket.assigned.*'];
    expect(await create({ eventTypes })).toMatchObject({ eventTypes, filterTypes: eventTypes });
    const answer = await world.operate('POST', path, {
      url,
      eventTypes: [...eventTypes, 'tiket.*', 'no.such'],
    });
    expect([answer.status, answer.json().detail]).toEqual([
      422,
      [
        {
          loc: ['body', 'eventTypes'],
          msg: "The following event types don't exist: tiket.*, no.such",
          type: 'value_error',
        },
      ],
    ]);
  });

  it.each(['*', '.*', 'ticket*', 'ticket.*.x', '*.created', 'ticket.**'])('can not be %s', async (name) => {
    const answer = await world.operate('POST', path, { url, eventTypes: [name] });
    expect([answer.status, answer.json().detail[0].loc]).toEqual([422, ['body', 'eventTypes', 0]]);
  });

  it('stand for what the caller may see, and is not archived', async () => {
    const flagged = { name: 'secret.one', description: '', featureFlags: ['beta'] };
    await world.operate('POST', '/api/v1/event-type', flagged);
    await world.operate('POST', '/api/v1/event-type', { name: 'old.one', description: '' });
    await world.operate('DELETE', '/api/v1/event-type/old.one');
    await create({ eventTypes: ['secret.*'] });
    const asCompany = await world.call('POST', path, {
      key: company.token,
      body: { url, eventTypes: ['secret.*'] },
    });
    expect(asCompany.status).toBe(422);
    await call(422, 'POST', '', { url, eventTypes: ['old.*'] });
  });

  it('filter lists of messages, too', async () => {
    const base = `/api/v1/app/${company.application.number}`;
    for (const eventType of ['ticket.created', 'tickets.created', 'ticket', 'ticket.a.b']) {
      await world.operate('POST', `${base}/msg`, { eventType, payload: {} });
    }
    const listed = async (query: string) => {
      const { data } = (await world.operate('GET', `${base}/msg?event_types=${query}`)).json();
      return data.map(({ eventType }: { eventType: string }) => eventType);
    };
    expect(await listed('ticket.*')).toEqual(['ticket.a.b', 'ticket.created']);
    expect(await listed('ticket.*,tickets.created')).toEqual([
      'ticket.a.b',
      'tickets.created',
      'ticket.created',
    ]);
  });
});
