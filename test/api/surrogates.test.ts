import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type World } from '../helpers/world.ts';

/** Half of a surrogate pair can't be stored as text: it is refused, where it would come back as another text. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
  await world.operate('POST', '/api/v1/app/1/endpoint', { url: 'http://127.0.0.1:1', uid: 'e' });
});
afterAll(() => world.close());

const APP = '/api/v1/app/1';
const half = '\ud83d';

it.each<[method: string, path: string, body: object, loc: unknown[]]>([
  ['POST', '/api/v1/app', { name: half }, ['name']],
  ['POST', '/api/v1/app', { name: 'a', metadata: { a: 'b', c: `d${half}` } }, ['metadata', 'c']],
  ['POST', '/api/v1/app', { name: 'a', metadata: { [half]: 'b' } }, ['metadata', half]],
  ['PATCH', APP, { name: '\udc00\ud800' }, ['name']],
  ['POST', `${APP}/endpoint`, { url: 'http://127.0.0.1:1', description: half }, ['description']],
  ['PATCH', `${APP}/endpoint/e`, { url: `http://127.0.0.1:1/${half}` }, ['url']],
  ['PUT', `${APP}/endpoint/e/headers`, { headers: { 'x-a': half } }, ['headers', 'x-a']],
  ['PATCH', `${APP}/endpoint/e/headers`, { deleteHeaders: ['a', half] }, ['deleteHeaders', 1]],
  ['POST', '/api/v1/event-type', { name: 'half', description: half }, ['description']],
  [
    'PUT',
    '/api/v1/event-type/half',
    { description: '', schemas: { 1: { examples: [{ a: half }] } } },
    ['schemas', '1', 'examples', 0, 'a'],
  ],
  ['POST', '/api/v1/key', { name: half, application: null }, ['name']],
  ['POST', '/api/v1/auth/app-portal-access/1', { sessionId: half }, ['sessionId']],
  [
    'POST',
    '/api/v1/auth/app-portal-access/new',
    { application: { name: half, uid: 'new' } },
    ['application', 'name'],
  ],
  [
    'POST',
    '/api/v1/app/new/msg',
    { eventType: 'a', payload: {}, application: { name: half, uid: 'new' } },
    ['application', 'name'],
  ],
  [
    'POST',
    '/api/v1/app/new/msg/batch',
    { messages: [{ eventType: 'a', payload: {}, application: { name: half, uid: 'new' } }] },
    ['messages', 0, 'application', 'name'],
  ],
])('%s %s is answered 422 for %j', async (method, path, body, loc) => {
  const answer = await world.operate(method, path, body);
  expect([answer.status, answer.json().detail]).toEqual([
    422,
    [{ loc: ['body', ...loc], msg: 'must be text that UTF-8 can carry', type: 'value_error' }],
  ]);
});

it('a whole pair is text, however it is written', async () => {
  const answer = await world.operate('POST', '/api/v1/app', String.raw`{"name":"\uD83E\uDD8A🦊 \\ud800"}`);
  expect([answer.status, answer.json().name]).toEqual([201, String.raw`🦊🦊 \ud800`]);
});

it('a payload has it byte for byte', async () => {
  const text = String.raw`{"eventType":"a","payload":{"a":"\ud83d"}}`;
  const answer = await world.operate('POST', `${APP}/msg`, text);
  expect([answer.status, answer.text]).toEqual([202, expect.stringContaining(String.raw`{"a":"\ud83d"}`)]);
});

it('a body that nests as deep as it is long is answered', async () => {
  const nested = `${'['.repeat(300_000)}"\\ud83d"${']'.repeat(300_000)}`;
  const answer = await world.operate('POST', '/api/v1/app', `{"name":"a","metadata":${nested}}`);
  expect([answer.status, answer.json().detail[0].loc.slice(0, 3)]).toEqual([422, ['body', 'metadata', 0]]);
  expect(answer.text.length).toBeLessThan(1_000);
});
