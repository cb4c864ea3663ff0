import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../helpers/world.ts';

/** The Web Hooks API, call by call, as its page has it. */

const JSON_TYPE = 'application/json; charset=utf-8';
const ID = /^1_\d{14}$/;

describe('the Web Hooks API', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  it('retrieves all web hooks of the company, oldest first, with exactly id and url', async () => {
    const company = await world.addCompany('list');
    const empty = await world.hooks('GET', '/web_hooks.json', undefined, company);
    expect([empty.status, empty.text]).toEqual([200, '{"web_hooks":[]}']);
    expect(empty.headers['content-type']).toBe(JSON_TYPE);

    const made = [];
    for (const name of ['b', 'a', 'c']) {
      const body = { web_hook: { url: `http://example.com/${name}` } };
      made.push((await world.hooks('POST', '/web_hooks.json', body, company)).json().web_hook);
    }
    const list = await world.hooks('GET', '/web_hooks.json', undefined, company);
    expect(list.status).toBe(200);
    expect(list.json()).toEqual({ web_hooks: made });
    expect(Object.keys(list.json().web_hooks[0])).toEqual(['id', 'url']);
  });

  it('creates a web hook', async () => {
    const before = Date.now();
    const answer = await world.hooks('POST', '/web_hooks.json', { web_hook: { url: 'http://example.com' } });
    expect(answer.status).toBe(201);
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
    const { web_hook: webHook, ...rest } = answer.json();
    expect(rest).toEqual({});
    expect(Object.keys(webHook)).toEqual(['id', 'url']);
    expect(webHook.url).toBe('http://example.com');
    expect(webHook.id).toMatch(ID);
    // Other tests of this file may have taken the seconds just before.
    expect(secondsOf(webHook.id)).toBeGreaterThanOrEqual(Math.floor(before / 1000));
  });

  it('gives the id in UTC, whatever the second number of the company', async () => {
    const company = await world.addCompany('utc');
    const before = Math.floor(Date.now() / 1000);
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com'), company)).json()
      .web_hook;
    expect(id.split('_')[0]).toBe(String(company.application.number));
    expect(secondsOf(id) - before).toBeLessThanOrEqual(1);
  });

  it('gives the url back as it was given and dials its parsed form', async () => {
    const url = 'HTTP://Example.COM:80/a/../b?x=ü#part';
    const made = (await world.hooks('POST', '/web_hooks.json', hook(url))).json().web_hook;
    expect(made.url).toBe(url);
    const list = (await world.hooks('GET', '/web_hooks.json')).json().web_hooks;
    expect(list.find(({ id }: { id: string }) => id === made.id).url).toBe(url);
  });

  it.each(['/web_hook/', '/web_hooks/'])('updates a web hook on %s{id}.json', async (path) => {
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com/old'))).json()
      .web_hook;
    const answer = await world.hooks('PUT', `${path}${id}.json`, hook('http://example.com/new'));
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
    expect(answer.text).toBe(`{"web_hook":{"id":"${id}","url":"http://example.com/new"}}`);
    const list = (await world.hooks('GET', '/web_hooks.json')).json().web_hooks;
    expect(list).toContainEqual({ id, url: 'http://example.com/new' });
  });

  it('deletes a web hook with 204 and nothing else', async () => {
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com/gone'))).json()
      .web_hook;
    const answer = await world.hooks('DELETE', `/web_hooks/${id}.json`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(answer.headers['content-type']).toBeUndefined();
    expect(answer.headers['content-length']).toBeUndefined();
    const list = (await world.hooks('GET', '/web_hooks.json')).json().web_hooks;
    expect(list.map((each: { id: string }) => each.id)).not.toContain(id);
    expect((await world.hooks('DELETE', `/web_hooks/${id}.json`)).status).toBe(404);
    expect((await world.hooks('PUT', `/web_hook/${id}.json`, hook('http://example.com'))).status).toBe(404);
  });

  it('reads a body with a delete and ignores it', async () => {
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com/gone'))).json()
      .web_hook;
    expect((await world.hooks('DELETE', `/web_hooks/${id}.json`, 'not json')).status).toBe(204);
  });

  it('answers GET to HEAD too, without a body', async () => {
    const answer = await world.hooks('HEAD', '/web_hooks.json');
    expect([answer.status, answer.text]).toEqual([200, '']);
  });

  it('tolerates a slash at the end', async () => {
    expect((await world.hooks('GET', '/web_hooks.json/')).status).toBe(200);
  });

  it.each([
    undefined,
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'nonsense',
    'application/json; charset=latin1',
    ';;;',
  ])('reads the JSON body with the Content-Type %s', async (type) => {
    const headers = type === undefined ? undefined : { 'content-type': type };
    const body = '{"web_hook":{"url":"http://example.com/typed"}}';
    const answer = await world.call('POST', '/web_hooks.json', { key: world.company.token, headers, body });
    expect(answer.status).toBe(201);
    expect(answer.json().web_hook.url).toBe('http://example.com/typed');
  });

  it('ignores unknown fields, also those that every object inherits', async () => {
    const body =
      '{"web_hook":{"id":"1_x","url":"http://example.com","active":true,"__proto__":{"a":1}},"x":1}';
    const answer = await world.hooks('POST', '/web_hooks.json', body);
    expect(answer.status).toBe(201);
    expect(answer.json().web_hook.id).toMatch(ID);
  });

  it('has its web hooks in the operator API too, and the other way round', async () => {
    const company = await world.addCompany('both faces', 'both-faces');
    const made = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com/1'), company)).json()
      .web_hook;
    const endpoint = await world.operate('GET', `/api/v1/app/both-faces/endpoint/${made.id}`);
    expect(endpoint.json()).toMatchObject({
      url: 'http://example.com/1',
      webHookId: made.id,
      eventTypes: null,
    });

    const other = await world.operate('POST', '/api/v1/app/both-faces/endpoint', {
      url: 'http://example.com/2',
    });
    const list = (await world.hooks('GET', '/web_hooks.json', undefined, company)).json().web_hooks;
    expect(list).toEqual([made, { id: other.json().webHookId, url: 'http://example.com/2' }]);
    const removed = await world.hooks(
      'DELETE',
      `/web_hooks/${other.json().webHookId}.json`,
      undefined,
      company,
    );
    expect(removed.status).toBe(204);
    expect((await world.operate('GET', `/api/v1/app/both-faces/endpoint/${other.json().id}`)).status).toBe(
      404,
    );
  });
});

describe('the ids of web hooks', () => {
  it('are unique for 1,000 creations at once and across restarts, and list in the order of creation', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-test-'));
    const ids: string[] = [];
    const create = async (world: World, count: number) => {
      const answers = await Promise.all(
        Array.from({ length: count }, () =>
          world.hooks('POST', '/web_hooks.json', hook('http://example.com')),
        ),
      );
      expect(answers.every(({ status }) => status === 201)).toBe(true);
      ids.push(...answers.map((answer) => answer.json().web_hook.id as string));
    };
    for (const count of [1_000, 10]) {
      const world = await startWorld({ folder });
      await create(world, count);
      const listed = (await world.hooks('GET', '/web_hooks.json')).json().web_hooks;
      expect(listed).toHaveLength(ids.length);
      await world.close({ keepFolder: true });
    }
    await rm(folder, { recursive: true });
    expect(ids.every((id) => ID.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(1_010);
  });

  it('are not given again after a delete', async () => {
    const world = await startWorld();
    const first = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com'))).json().web_hook
      .id;
    await world.hooks('DELETE', `/web_hooks/${first}.json`);
    const second = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com'))).json().web_hook
      .id;
    expect(second).not.toBe(first);
    await world.close();
  });
});

function hook(url: string) {
  return { web_hook: { url } };
}

function secondsOf(id: string): number {
  const [, digits = ''] = id.split('_');
  const [, year, month, day, hour, minute, second] = /^(\d{4})(..)(..)(..)(..)(..)$/.exec(digits) ?? [];
  return (
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) /
    1000
  );
}
