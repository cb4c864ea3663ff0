import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpServer } from '../../src/http/server.ts';
import { CAPABILITIES, type Capability } from '../../src/model/key.ts';
import { systemClock } from '../../src/system/clock.ts';
import { type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/**
 * Every route of the running server, called with every kind of key. What is right is the table in docs/keys.md: a route that
 * is not in it fails, and so does a row without a route.
 */

interface Row {
  who: 'anybody' | 'operators' | 'operators, the application' | 'the application';
  /** One of these suffices. */
  needs: readonly Capability[];
}

/** Keys that open nothing, then keys that do. `other` is the unlimited key of another application. */
const REFUSED = ['none', 'unknown', 'expired', 'revoked'] as const;
const OWN = ['full', 'readOnly', ...CAPABILITIES] as const;
const KINDS = [...REFUSED, 'operator', 'other', ...OWN] as const;
type Kind = (typeof KINDS)[number];

let world: World;
let receiver: Receiver;
let routes: HttpServer['routes'];
/** How far the server's clock is ahead. */
let ahead = 0;
const refused: Partial<Record<Kind, string>> = { unknown: 'phk_nobody_has_this_key_0123456789' };
/** What calls that are refused are made against, and calls that only read. */
let shared: Things;

beforeAll(async () => {
  world = await startWorld({
    clock: { ...systemClock, now: () => systemClock.now() + ahead },
    // What failed once stays pending, and tasks run until they are cancelled: both can then be acted upon.
    retryScheduleMs: [3_600_000],
    store: (store) => ({ ...store, taskStep: async () => ({ waits: 'endpoint_paused' }) }),
  });
  receiver = await startReceiver((response, { path }) =>
    response.writeHead(path === '/hooks' ? 500 : 200).end(),
  );
  routes = world.http.routes;
  shared = await makeThings();
  refused.expired = await newKey({ application: shared.app_id, expiry: 60 });
  ahead = 60_001;
  const { id, key } = (await world.operate('POST', '/api/v1/key', { name: 'a', application: null })).json();
  await world.operate('DELETE', `/api/v1/key/${id}`);
  refused.revoked = key;
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});

/** The objects that a route's path can name. */
interface Things {
  app_id: string;
  /** The company's number, of which web hooks' ids are made. */
  number: number;
  endpoint_id: string;
  id: string;
  msg_id: string;
  attempt_id: string;
  event_type_name: string;
  key_id: string;
  task_id: string;
  /** The endpoint of operators: its paths call it `endpoint_id`, too. */
  operational_id: string;
}

let made = 0;

async function makeThings(): Promise<Things> {
  const app = await ok('POST', '/api/v1/app', { name: 'A' });
  const base = `/api/v1/app/${app.id}`;
  const url = `${receiver.url}/hooks`;
  // Ordered, so that its delivery can be skipped.
  const endpoint = await ok('POST', `${base}/endpoint`, { url, ordering: 'endpoint' });
  const eventType = `scope.walk.${++made}`;
  const schemas = { 1: { examples: [{ a: 1 }] } };
  await ok('POST', '/api/v1/event-type', { name: eventType, description: '', schemas });
  const message = await ok('POST', `${base}/msg`, { eventType, payload: {} });
  const [attempt] = await attemptsOf(`${base}/attempt/msg/${message.id}`);
  const [hook] = (
    await world.call('GET', '/web_hooks.json', { key: await newKey({ application: app.id }) })
  ).json().web_hooks;
  const key = await ok('POST', '/api/v1/key', { name: 'a', application: app.id });
  const task = await ok('POST', `${base}/endpoint/${endpoint.id}/recover`, range());
  const operational = await ok('POST', '/api/v1/operational-webhook/endpoint', { url });
  return {
    app_id: app.id,
    number: app.number,
    endpoint_id: endpoint.id,
    id: hook.id,
    msg_id: message.id,
    attempt_id: attempt?.id ?? '',
    event_type_name: eventType,
    key_id: key.id,
    task_id: task.id,
    operational_id: operational.id,
  };
}

async function attemptsOf(path: string): Promise<{ id: string }[]> {
  for (;;) {
    const { data } = await ok('GET', path);
    if (data.length > 0) return data;
  }
}

async function ok(method: string, path: string, body?: unknown) {
  const answer = await world.operate(method, path, body);
  expect([method, path, answer.status, answer.text]).toEqual([
    method,
    path,
    expect.toSatisfy((status: number) => status >= 200 && status < 300),
    answer.text,
  ]);
  return answer.json();
}

async function newKey(fields: object): Promise<string> {
  return (await ok('POST', '/api/v1/key', { name: 'a', ...fields })).key;
}

/** A fresh key of that kind for the application: a call may end it. */
async function keyOf(kind: Kind, application: string): Promise<string | undefined> {
  if (kind === 'none') return undefined;
  if (kind === 'operator') return world.operatorKey;
  if (kind === 'other')
    return newKey({ application: (await ok('POST', '/api/v1/app', { name: 'Other' })).id });
  const portal = async (body: object) =>
    (await ok('POST', `/api/v1/auth/app-portal-access/${application}`, body)).token;
  if (kind === 'full') return portal({});
  if (kind === 'readOnly') return portal({ readOnly: true });
  return refused[kind] ?? newKey({ application, capabilities: [kind] });
}

const range = () => ({ since: new Date(systemClock.now()).toISOString() });

/** Bodies with which the call would succeed, so that nothing but the key can refuse it. */
const BODIES: Record<string, (things: Things) => unknown> = {
  'POST /api/v1/app': () => ({ name: 'A' }),
  'PUT /api/v1/app/{app_id}': () => ({ name: 'B' }),
  'PATCH /api/v1/app/{app_id}': () => ({ name: 'B' }),
  'POST /api/v1/app/{app_id}/endpoint': () => ({ url: receiver.url }),
  'PUT /api/v1/app/{app_id}/endpoint/{endpoint_id}': () => ({ url: receiver.url }),
  'PATCH /api/v1/app/{app_id}/endpoint/{endpoint_id}': () => ({ description: 'b' }),
  'POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate': () => ({}),
  'PUT /api/v1/app/{app_id}/endpoint/{endpoint_id}/headers': () => ({ headers: { 'x-a': 'b' } }),
  'PATCH /api/v1/app/{app_id}/endpoint/{endpoint_id}/headers': () => ({ headers: { 'x-a': 'b' } }),
  'POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/recover': range,
  'POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/replay-missing': range,
  'POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/bulk-replay': range,
  'POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example': ({ event_type_name }) => ({
    eventType: event_type_name,
  }),
  'POST /api/v1/app/{app_id}/msg': () => ({ eventType: 'a', payload: {} }),
  'POST /api/v1/app/{app_id}/msg/batch': () => ({ messages: [{ eventType: 'a', payload: {} }] }),
  'POST /api/v1/auth/app-portal-access/{app_id}': () => ({}),
  'POST /api/v1/event-type': () => ({ name: `scope.made.${++made}`, description: '' }),
  'PUT /api/v1/event-type/{event_type_name}': () => ({ description: 'b' }),
  'PATCH /api/v1/event-type/{event_type_name}': () => ({ description: 'b' }),
  'POST /api/v1/key': () => ({ name: 'a', application: null }),
  'POST /api/v1/key/{key_id}/rotate': () => ({}),
  'POST /api/v1/operational-webhook/endpoint': () => ({ url: receiver.url }),
  'PUT /api/v1/operational-webhook/endpoint/{endpoint_id}': () => ({ url: receiver.url }),
  'PATCH /api/v1/operational-webhook/endpoint/{endpoint_id}': () => ({ description: 'b' }),
  'POST /api/v1/operational-webhook/endpoint/{endpoint_id}/secret/rotate': () => ({}),
  'PUT /api/v1/operational-webhook/endpoint/{endpoint_id}/headers': () => ({ headers: { 'x-a': 'b' } }),
  'PATCH /api/v1/operational-webhook/endpoint/{endpoint_id}/headers': () => ({ headers: { 'x-a': 'b' } }),
  'POST /web_hooks.json': () => ({ web_hook: { url: receiver.url } }),
  'PUT /web_hook/{id}.json': () => ({ web_hook: { url: receiver.url } }),
  'PUT /web_hooks/{id}.json': () => ({ web_hook: { url: receiver.url } }),
  'POST /web_hooks/test.json': () => ({ action_type: 'ticket.created', url: receiver.url }),
};

async function call(route: string, kind: Kind, things: Things) {
  const [method = ''] = route.split(' ');
  const key = await keyOf(kind, things.app_id);
  return world.call(method, pathOf(route, things), { key, body: BODIES[route]?.(things) });
}

function pathOf(route: string, things: Things): string {
  const [, path = ''] = route.split(' ');
  const named = path.startsWith('/api/v1/operational-webhook/')
    ? { ...things, endpoint_id: things.operational_id }
    : things;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: keyof Things) => String(named[name]));
  expect(filled).not.toContain('undefined');
  return filled;
}

/** 200: any status that is no error. */
function expectedOf(route: string, { who, needs }: Row, kind: Kind): number {
  if (who === 'anybody') return 200;
  if (REFUSED.some((each) => each === kind)) return 401;
  if (kind === 'operator') return who === 'the application' ? 403 : 200;
  if (who === 'operators') return 403;
  if (kind === 'other') return /\{(app_id|id)\}/.test(route) ? 404 : 200;
  if (kind === 'full' || needs.length === 0) return 200;
  // ViewBase is among the capabilities of every key.
  return needs.some((each) => each === kind || each === 'ViewBase') ? 200 : 403;
}

const table = new Map<string, Row>(
  readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, route = '', who, needs = ''] = /^\| `([A-Z]+ \/\S*)` \| (.+?) \| (.*?) ?\|$/.exec(line) ?? [];
      if (!route) return [];
      return [
        [
          route,
          {
            who: who as Row['who'],
            needs: [...needs.matchAll(/`(\w+)`/g)].map(([, one]) => one as Capability),
          },
        ],
      ];
    }),
);

/** `/api/v1/app/:app_id` as the documents write it. */
const written = (url: string) => url.replaceAll(/:([a-z_]+)/g, '{$1}');

describe('the table of docs/keys.md', () => {
  it('has every route of the server, and no other', () => {
    const served = routes
      .filter(({ url, config }) => !/^\/(docs|console)/.test(url) && config?.refuses !== true)
      .flatMap(({ method, url }) => [method].flat().map((each) => `${each} ${written(url)}`))
      .filter((route) => !route.startsWith('HEAD '));
    expect([...table.keys()].sort()).toEqual([...new Set(served)].sort());
    expect(table.size).toBeGreaterThan(40);
  });

  it('says who may call and what a limited key needs', () => {
    for (const [route, { who, needs }] of table) {
      expect([route, ['anybody', 'operators', 'operators, the application', 'the application']]).toEqual([
        route,
        expect.arrayContaining([who]),
      ]);
      expect(CAPABILITIES).toEqual(expect.arrayContaining([...needs]));
    }
  });
});

describe.each([...table])('%s', (route, row) => {
  const reads = route.startsWith('GET ');

  it(`is for ${row.who}`, async () => {
    for (const kind of KINDS) {
      const expected = expectedOf(route, row, kind);
      const changes = !reads && expected === 200;
      const answer = await call(route, kind, changes ? await makeThings() : shared);
      const status = answer.status < 400 ? 200 : answer.status;
      expect([route, kind, status, status === expected ? '' : answer.text]).toEqual([
        route,
        kind,
        expected,
        '',
      ]);
    }
  });

  it('is found with a slash at the end, and by a preflight from any page', async () => {
    const path = pathOf(route, shared);
    const plain = await call(route, 'unknown', shared);
    const slashed = await world.call(route.split(' ')[0] ?? '', `${path.replace(/\/$/, '')}/`, {
      key: refused.unknown,
    });
    expect([route, slashed.status]).toEqual([route, plain.status]);
    if (!path.startsWith('/api/v1/')) return;
    const preflight = await world.call('OPTIONS', path, { headers: { origin: 'https://page.example' } });
    const { 'access-control-allow-origin': origin, 'access-control-allow-methods': methods } =
      preflight.headers;
    expect([preflight.status, origin]).toEqual([204, '*']);
    expect(String(methods).split(', ')).toContain(route.split(' ')[0]);
  });
});

it.each([...table.keys()].filter((route) => route.startsWith('GET ')))(
  '%s is answered to HEAD as well',
  async (route) => {
    for (const kind of ['none', 'operator', 'full'] as const) {
      const [head, get] = [
        await call(route.replace('GET', 'HEAD'), kind, shared),
        await call(route, kind, shared),
      ];
      expect([route, kind, head.status, head.text]).toEqual([route, kind, get.status, '']);
    }
  },
);
