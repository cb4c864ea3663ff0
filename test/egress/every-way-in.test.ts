import { Resolver } from 'node:dns/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RANGE_ROWS } from '../../src/model/address-ranges.ts';
import { startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts';
import { type DialWatch, watchDials } from './dials.ts';
import { SPELLINGS } from './spellings.ts';

/** A whole server: every call that takes a URL, and everything that is sent because of one. */

// biome-ignore lint/suspicious/noExplicitAny: a JSON answer of the API.
type Json = any;

let watch: DialWatch;
/** What DNS says: nothing of the machine's own is asked. */
const names = new Map<string, string[]>();
const asked: string[] = [];

beforeAll(async () => {
  watch = await watchDials();
  const answer = (isOurs: (address: string) => boolean) => async (name: string) => {
    asked.push(name);
    const found = (names.get(name) ?? []).filter(isOurs);
    if (found.length === 0) throw Object.assign(new Error('none'), { code: 'ENODATA' });
    return found.map((address) => ({ address, ttl: 0 }));
  };
  const four = answer((address) => !address.includes(':'));
  const six = answer((address) => address.includes(':'));
  vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation(four as never);
  vi.spyOn(Resolver.prototype, 'resolve6').mockImplementation(six as never);
});
afterAll(() => {
  vi.restoreAllMocks();
  watch.stop();
});

const worlds: World[] = [];
async function start(options: WorldOptions): Promise<World> {
  const world = await startWorld(options);
  worlds.push(world);
  return world;
}
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
  names.clear();
});
const portOf = (url: string) => Number(new URL(url).port);
/** Dialled since the last look, but for the calls of the test itself. */
const dialledBy = (world: World, known: readonly number[] = []) => watch.taken([portOf(world.url), ...known]);

const GOOD = 'https://hooks.example.com/hook';
const OPERATIONS = '/api/v1/operational-webhook/endpoint';

/** Every operation that takes a URL to send to, with the status of its refusal. */
const WAYS = [
  ['POST /web_hooks.json', 400],
  ['PUT /web_hook/{id}.json', 400],
  ['PUT /web_hooks/{id}.json', 400],
  ['POST /web_hooks/test.json', 400],
  ['POST /api/v1/app/{app_id}/endpoint', 422],
  ['PUT /api/v1/app/{app_id}/endpoint/{endpoint_id}', 422],
  ['PATCH /api/v1/app/{app_id}/endpoint/{endpoint_id}', 422],
  [`POST ${OPERATIONS}`, 422],
  [`PUT ${OPERATIONS}/{endpoint_id}`, 422],
  [`PATCH ${OPERATIONS}/{endpoint_id}`, 422],
] as const;

interface Made {
  readonly webHook: string;
  readonly endpoint: string;
  readonly operations: string;
}

async function make(world: World, url: string): Promise<Made> {
  const made = async (call: Promise<{ status: number; json(): Json }>) => {
    const answer = await call;
    expect([answer.status, answer.json()]).toEqual([201, expect.anything()]);
    return answer.json();
  };
  return {
    webHook: (await made(world.hooks('POST', '/web_hooks.json', { web_hook: { url } }))).web_hook.id,
    endpoint: (await made(world.operate('POST', '/api/v1/app/1/endpoint', { url }))).id,
    operations: (await made(world.operate('POST', OPERATIONS, { url }))).id,
  };
}

function callWith(world: World, way: string, made: Made, url: string) {
  const [method, template] = way.split(' ') as [string, string];
  const isOperations = template.startsWith(OPERATIONS);
  const path = template
    .replace('{id}', made.webHook)
    .replace('{app_id}', '1')
    .replace('{endpoint_id}', isOperations ? made.operations : made.endpoint);
  if (path.startsWith('/api/')) return world.operate(method, path, { url });
  if (path === '/web_hooks/test.json')
    return world.hooks(method, path, { action_type: 'ticket.created', url });
  return world.hooks(method, path, { web_hook: { url } });
}

const REFUSED_ROWS = RANGE_ROWS.filter(([, rule]) => rule === 'refused').map(([text]) => text.split('/')[0]);

/** URLs and what is said about them. */
const BAD: readonly (readonly [url: string, phrase: string])[] = [
  ...SPELLINGS.map(
    ([, spell]) => [`http://${spell([169, 254, 169, 254])}/latest/meta-data/`, 'points to'] as const,
  ),
  ...REFUSED_ROWS.map((ip) => [`https://${ip?.includes(':') ? `[${ip}]` : ip}:8443/`, 'points to'] as const),
  ...['localhost', 'localhost:8071', 'a.localhost', 'LOCALHOST.', 'loc%61lhost', 'ｌｏｃａｌｈｏｓｔ'].map(
    (host) => [`http://${host}/`, 'points to this server itself (localhost)'] as const,
  ),
  ...['intranet', 'metadata', 'kubernetes', 'db:5432', 'ip6-loopback'].map(
    (host) => [`http://${host}/`, 'must have a full host name'] as const,
  ),
  ...[
    'printer.local',
    'x.internal',
    'host.docker.internal',
    'x.home.arpa',
    'a.svc.cluster.local',
    'x.localdomain',
  ].map((host) => [`http://${host}/`, 'points to a private name'] as const),
  ['http://metadata.google.internal/computeMetadata/v1/', 'points to metadata.google.internal'],
  ['http://abc.onion/', 'points to onion'],
  ['https://user:password@hooks.example.com/', 'must not carry credentials'],
  ['https://user@hooks.example.com/', 'must not carry credentials'],
  ['https://:password@hooks.example.com/', 'must not carry credentials'],
  ['http://8.8.8.8@hooks.example.com/', 'must not carry credentials'],
  ['http://hooks.example.com:0/', 'must not use port 0'],
  ['http://hooks.example.com:65536/', 'has a port above 65535'],
  ['http://hooks.example.com:-1/', 'must be an absolute http or https URL'],
  ['http://hooks.example.com:80:80/', 'must be an absolute http or https URL'],
  ...[
    'ftp://hooks.example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:11211/',
    'unix:///run/docker.sock',
  ].map((url) => [url, 'must be an absolute http or https URL'] as const),
  ...['//hooks.example.com/', 'hooks.example.com', 'http:hooks.example.com', 'javascript:alert(1)'].map(
    (url) => [url, 'must be an absolute http or https URL'] as const,
  ),
  ['http://hooks.example.com\\@127.0.0.1/', 'must be an absolute http or https URL'],
  ['http://127.0.0.1\\.example.com/', 'must be an absolute http or https URL'],
  ['http://[fe80::1%25eth0]/', 'must be an absolute http or https URL'],
  ['http://1.2.3.4.5/', 'must be an absolute http or https URL'],
  ['http://127.0.0.1\t/', 'must not contain control characters'],
  ['http://hooks.example.com/\r\nHost: 127.0.0.1', 'must not contain control characters'],
  [' http://127.0.0.1/', 'must not begin or end with white space'],
];

describe('a URL that can only lead inside', () => {
  let world: World;
  let made: Made;
  beforeAll(async () => {
    world = await startWorld({ allow: [] });
    made = await make(world, GOOD);
  });
  afterAll(() => world.close());

  it('is tried through every operation that takes one', async () => {
    const document = (await world.call('GET', '/openapi.json')).json();
    const taking = Object.entries<Json>(document.paths).flatMap(([path, operations]) =>
      Object.entries<Json>(operations)
        .filter(([, operation]) => hasUrl(document, operation.requestBody))
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect(taking.toSorted()).toEqual(WAYS.map(([way]) => way).toSorted());
  });

  it.each(WAYS)('is refused by %s with %i and a sentence, and nothing is dialled', async (way, status) => {
    const before = await listed(world);
    const questions = asked.length;
    dialledBy(world);
    for (const [url, phrase] of BAD) {
      const answer = await callWith(world, way, made, url);
      expect([url, answer.status, answer.text]).toEqual([url, status, expect.stringContaining(phrase)]);
    }
    expect(dialledBy(world)).toEqual([]);
    expect(asked.slice(questions)).toEqual([]);
    expect(await listed(world)).toEqual(before);
  });
});

/** Whether a body has a field `url`, at any depth. */
function hasUrl(document: Json, part: Json, seen = new Set<Json>()): boolean {
  if (typeof part !== 'object' || part === null || seen.has(part)) return false;
  seen.add(part);
  if (part.properties?.url !== undefined) return true;
  if (typeof part.$ref === 'string') {
    const target = part.$ref
      .slice(2)
      .split('/')
      .reduce((at: Json, key: string) => at?.[key], document);
    return hasUrl(document, target, seen);
  }
  return Object.values(part).some((each) => hasUrl(document, each, seen));
}

/** All endpoints as they are shown, but for what time does to them. */
async function listed(world: World): Promise<Json> {
  const pages = ['/api/v1/app/1/endpoint', OPERATIONS].map(async (path) =>
    (await world.operate('GET', path)).json(),
  );
  const endpoints = (await Promise.all(pages)).flatMap(({ data }) => data);
  const hooks = (await world.hooks('GET', '/web_hooks.json')).json();
  return { hooks, urls: endpoints.map(({ id, url }: Json) => `${id} ${url}`) };
}

describe('a name that leads inside', () => {
  const INSIDE: readonly (readonly [name: string, addresses: string[]])[] = [
    ['four.example.com', ['10.0.0.1']],
    ['six.example.com', ['fd00::1']],
    ['mixed.example.com', ['8.8.8.8', '169.254.169.254']],
    ['loopback.example.com', ['127.0.0.1', '::1']],
    ['mapped.example.com', ['::ffff:127.0.0.1']],
    ['nat64.example.com', ['64:ff9b::7f00:1']],
    ['any.example.com', ['0.0.0.0']],
  ];

  it.each(INSIDE)('%s is refused when it is dialled, whoever asks', async (name, addresses) => {
    names.set(name, addresses);
    const world = await start({ allow: [] });
    dialledBy(world);
    const url = `http://${name}/`;
    const { endpoint } = await make(world, url);
    const path = '/api/v1/app/1';

    const test = await world.hooks('POST', '/web_hooks/test.json', { action_type: 'ticket.created', url });
    expect([test.status, test.json().test.error]).toEqual([500, refusal(name)]);

    const published = await world.operate('POST', `${path}/msg`, {
      eventType: 'ticket.created',
      payload: {},
    });
    expect(published.status).toBe(202);
    const { id } = published.json();
    const states = async () => (await world.operate('GET', `${path}/msg/${id}/endpoint`)).json().data;
    await vi.waitUntil(async () => (await states()).every(({ state }: Json) => state === 'failed'), 10_000);
    expect((await world.operate('POST', `${path}/msg/${id}/endpoint/${endpoint}/resend`)).status).toBe(202);
    const example = { eventType: 'ticket.created' };
    expect((await world.operate('POST', `${path}/endpoint/${endpoint}/send-example`, example)).status).toBe(
      200,
    );

    const attempts = async () =>
      (await world.operate('GET', `${path}/attempt/endpoint/${endpoint}`)).json().data;
    // Three tries of each of the two messages, and the resend.
    await vi.waitUntil(async () => (await attempts()).length === 7, 10_000);
    for (const attempt of await attempts()) expect(JSON.stringify(attempt)).toContain('points inside');
    expect(dialledBy(world)).toEqual([]);
  });

  const refusal = (name: string) => ({
    code: 'address_refused',
    message: expect.stringMatching(
      new RegExp(`^${name} points inside: .+, which this server does not send to\\.$`),
    ),
  });

  it('is refused as soon as it turns (DNS rebinding)', async () => {
    const world = await start({ allow: [] });
    const test = async () => {
      const body = { action_type: 'ticket.created', url: 'http://turning.example.com/' };
      const { error } = (await world.hooks('POST', '/web_hooks/test.json', body)).json().test;
      return [error.code, dialledBy(world)];
    };
    dialledBy(world);
    names.set('turning.example.com', ['8.8.8.8']);
    expect(await test()).toEqual(['connection_refused', ['8.8.8.8']]);
    names.set('turning.example.com', ['127.0.0.1']);
    // An answer is kept for a second at least; until then nothing but the vetted address is dialled.
    await vi.waitUntil(
      async () => {
        const [code, dialled] = await test();
        if (code !== 'address_refused') expect(dialled).toEqual(['8.8.8.8']);
        else expect(dialled).toEqual([]);
        return code === 'address_refused';
      },
      { timeout: 10_000, interval: 100 },
    );
  });
});

describe('what was saved when more was allowed', () => {
  it('is refused when it is sent, once it is not allowed any more', async () => {
    const receiver = await startReceiver();
    const before = await startWorld();
    await make(before, receiver.url);
    const publish = (world: World) =>
      world.operate('POST', '/api/v1/app/1/msg', { eventType: 'ticket.created', payload: {} });
    await publish(before);
    // The announcement of the endpoint is not waited for: the web hook and the endpoint get the message.
    await vi.waitUntil(() => receiver.received.length >= 2);
    await before.close({ keepFolder: true });
    const got = receiver.received.length;
    const world = await start({ allow: [], folder: before.folder });
    dialledBy(world);
    const { id } = (await publish(world)).json();
    const path = `/api/v1/app/1/msg/${id}/endpoint`;
    const states = async () => (await world.operate('GET', path)).json().data;
    await vi.waitUntil(async () => (await states()).every(({ state }: Json) => state === 'failed'), 10_000);
    const attempts = (await world.operate('GET', `/api/v1/app/1/attempt/msg/${id}`)).json().data;
    expect(attempts).toHaveLength(6);
    for (const attempt of attempts)
      expect(JSON.stringify(attempt)).toContain('loopback network (127.0.0.0/8)');
    expect(dialledBy(world)).toEqual([]);
    expect(receiver.received).toHaveLength(got);
    await receiver.close();
  });
});

describe('a redirect', () => {
  it.each([300, 301, 302, 303, 305, 307, 308])('with %i is a failure, and never followed', async (status) => {
    const elsewhere = await startReceiver();
    const places = [
      elsewhere.url,
      'http://169.254.169.254/',
      'https://hooks.example.com/',
      '//10.0.0.1/',
      '/there',
    ];
    const receiver = await startReceiver((response, _received, count) => {
      response.writeHead(status, { location: places[count - 1], refresh: `0; url=${elsewhere.url}` }).end();
    });
    const world = await start({});
    dialledBy(world);
    for (const place of places) {
      const body = { action_type: 'ticket.created', url: receiver.url };
      const answer = await world.hooks('POST', '/web_hooks/test.json', body);
      expect([place, answer.json().test]).toEqual([
        place,
        expect.objectContaining({ result: 'failed', status }),
      ]);
    }
    expect(receiver.received.map(({ path }) => path)).toEqual(places.map(() => '/'));
    expect(elsewhere.received).toEqual([]);
    expect(dialledBy(world, [portOf(receiver.url)])).toEqual([]);
    await Promise.all([receiver.close(), elsewhere.close()]);
  });
});

describe('what an operator allows', () => {
  it('is let in by every way, and nothing else is', async () => {
    const world = await start({ allow: ['10.0.0.0/8'] });
    dialledBy(world);
    const made = await make(world, 'http://10.1.2.3/');
    const still = [
      'http://127.0.0.1/',
      'http://localhost/',
      'http://192.168.0.1/',
      'http://169.254.169.254/',
    ];
    still.push('http://[::ffff:127.0.0.1]/', 'http://[64:ff9b::10.1.2.3]/', 'http://[::10.1.2.3]/');
    still.push('http://metadata.google.internal/', 'http://user@10.1.2.3/', 'ftp://10.1.2.3/');
    for (const [way, status] of WAYS) {
      for (const url of still) {
        expect([way, url, (await callWith(world, way, made, url)).status]).toEqual([way, url, status]);
      }
      for (const url of ['http://10.255.255.255/', 'http://[::ffff:10.1.2.3]/', 'http://0xa010203/']) {
        const answer = await callWith(world, way, made, url);
        const wanted = way.endsWith('test.json') ? [500] : [200, 201];
        expect([way, url, answer.status]).toEqual([way, url, expect.toBeOneOf(wanted)]);
      }
    }
    // Names that point to more than what is allowed stay refused.
    names.set('both.internal', ['10.0.0.1', '192.168.0.1']);
    names.set('fine.internal', ['10.0.0.7']);
    const codeOf = async (url: string) => {
      const body = { action_type: 'ticket.created', url };
      return (await world.hooks('POST', '/web_hooks/test.json', body)).json().test.error.code;
    };
    expect(await codeOf('http://both.internal/')).toBe('address_refused');
    expect(await codeOf('http://fine.internal/')).toBe('connection_refused');
    const dialled = dialledBy(world);
    expect(dialled).toContain('10.0.0.7');
    expect(dialled.filter((address) => !/^(::ffff:)?10\.|^::ffff:a01/.test(address))).toEqual([]);
  });
});
