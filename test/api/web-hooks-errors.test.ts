import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Company, startWorld, type World } from '../helpers/world.ts';

/** What the Web Hooks API refuses, and how it says so. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const CALLS = [
  ['GET', '/web_hooks.json'],
  ['POST', '/web_hooks.json'],
  ['PUT', '/web_hook/1_20120501073314.json'],
  ['PUT', '/web_hooks/1_20120501073314.json'],
  ['DELETE', '/web_hooks/1_20120501073314.json'],
  ['POST', '/web_hooks/test.json'],
] as const;

describe('authentication', () => {
  it.each(CALLS)('%s %s answers 401 without a token', async (method, path) => {
    const answer = await world.call(method, path);
    expect([answer.status, answer.text]).toEqual([401, '{"errors":{"auth_token":["is missing"]}}']);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  it.each(CALLS)('%s %s answers 401 to an unknown token', async (method, path) => {
    for (const call of [
      () => world.call(method, `${path}?auth_token=wrong`),
      () => world.call(method, path, { key: 'wrong' }),
    ]) {
      const answer = await call();
      expect([answer.status, answer.text]).toEqual([401, '{"errors":{"auth_token":["is not valid"]}}']);
    }
  });

  it('takes the token from the query', async () => {
    const answer = await world.call('GET', `/web_hooks.json?auth_token=${world.company.token}`);
    expect(answer.status).toBe(200);
    expect(
      (await world.call('POST', `/web_hooks.json?auth_token=${world.company.token}`, hook('http://a.com')))
        .status,
    ).toBe(201);
  });

  it.each(['Bearer', 'bearer', 'BEARER'])('takes the token as %s', async (scheme) => {
    const headers = { authorization: `${scheme} ${world.company.token}` };
    expect((await world.call('GET', '/web_hooks.json', { headers })).status).toBe(200);
  });

  it('says that a blank token is missing', async () => {
    for (const query of ['?auth_token=', '?auth_token=%20', '?auth_token']) {
      expect((await world.call('GET', `/web_hooks.json${query}`)).json()).toEqual({
        errors: { auth_token: ['is missing'] },
      });
    }
    const headers = { authorization: 'Basic dXNlcjpwYXNz' };
    expect((await world.call('GET', '/web_hooks.json', { headers })).status).toBe(401);
  });

  it('refuses an operator key, which has no company', async () => {
    const answer = await world.call('GET', '/web_hooks.json', { key: world.operatorKey });
    expect(answer.status).toBe(403);
    expect(answer.json().errors.auth_token[0]).toContain('operator key');
  });

  it('never repeats a token and never logs one', async () => {
    const token = 'phk_canary_token_3f9a';
    const answer = await world.call('GET', `/web_hooks.json?auth_token=${token}`, { key: token });
    await world.call('GET', `/nothing?auth_token=${token}`);
    await world.call('GET', `/%zz?auth_token=${token}`);
    await world.call('PATCH', `/web_hooks.json?auth_token=${token}`);
    expect(JSON.stringify([answer.text, answer.headers])).not.toContain(token);
    expect(world.logged.join('')).not.toContain('canary');
    expect(world.logged.join('')).not.toContain(world.company.token);
  });
});

describe('a web hook of another company', () => {
  it('is 404 for all verbs, as one that never was', async () => {
    const other = await world.addCompany('other');
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://other.com').body)).json()
      .web_hook;
    for (const [method, path, body] of [
      ['PUT', `/web_hook/${id}.json`, hook('http://evil.com').body],
      ['PUT', `/web_hooks/${id}.json`, hook('http://evil.com').body],
      ['DELETE', `/web_hooks/${id}.json`, undefined],
    ] as const) {
      const foreign = await world.hooks(method, path, body, other);
      const unknown = await world.hooks(method, path.replace(id, '1_19990101000000'), body, other);
      expect(foreign.status).toBe(404);
      expect(foreign.json()).toEqual({ errors: { id: ['is not the id of a web hook of this company'] } });
      expect(foreign.text).toBe(unknown.text);
    }
    expect((await world.hooks('GET', '/web_hooks.json', undefined, other)).json().web_hooks).toEqual([]);
    const kept = (await world.hooks('GET', '/web_hooks.json')).json().web_hooks;
    expect(kept).toContainEqual({ id, url: 'http://other.com' });
  });

  it('is asked for by its id alone: an endpoint id or uid is none', async () => {
    const uid = 'mine';
    const made = await world.operate('POST', '/api/v1/app/1/endpoint', { url: 'http://example.com', uid });
    for (const id of [uid, made.json().id, '', '%20', 'x'.repeat(300)]) {
      expect((await world.hooks('DELETE', `/web_hooks/${id}.json`)).status).toBe(404);
    }
  });
});

describe('a wrong verb', () => {
  it.each([
    ['PUT', '/web_hooks.json', 'GET, HEAD, POST'],
    ['PATCH', '/web_hooks.json', 'GET, HEAD, POST'],
    ['DELETE', '/web_hooks.json', 'GET, HEAD, POST'],
    ['OPTIONS', '/web_hooks.json', 'GET, HEAD, POST'],
    ['GET', '/web_hooks/1_20120501073314.json', 'DELETE, PUT'],
    ['POST', '/web_hooks/1_20120501073314.json', 'DELETE, PUT'],
    ['GET', '/web_hook/1_20120501073314.json', 'PUT'],
    ['DELETE', '/web_hook/1_20120501073314.json', 'PUT'],
    ['GET', '/web_hooks/test.json', 'POST'],
    ['PUT', '/web_hooks/test.json', 'POST'],
    ['DELETE', '/web_hooks/test.json', 'POST'],
    ['PATCH', '/web_hooks/test.json', 'POST'],
  ])('%s %s answers 405 with Allow: %s', async (method, path, allow) => {
    const answer = await world.hooks(method, path);
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.json().errors.method[0]).toContain(method);
  });

  it.each(['/web_hooks', '/web_hooks.xml', '/web_hook.json', '/web_hooks/a/b.json'])(
    '%s is no path of this API',
    async (path) => {
      const answer = await world.hooks('GET', path);
      expect(answer.status).toBe(404);
      expect(Object.keys(answer.json().errors)).toEqual(['path']);
    },
  );
});

describe('a validation error', () => {
  const blank = { url: ["can't be blank"] };
  const relative = { url: ['must be an absolute http or https URL'] };

  it.each<[string, string, object]>([
    ['no url', '{"web_hook":{}}', blank],
    ['null', '{"web_hook":{"url":null}}', blank],
    ['empty', '{"web_hook":{"url":""}}', blank],
    ['blank', '{"web_hook":{"url":" \\t"}}', blank],
    ['a number', '{"web_hook":{"url":1}}', { url: ['must be a string'] }],
    ['relative', '{"web_hook":{"url":"/a"}}', relative],
    ['no scheme', '{"web_hook":{"url":"example.com"}}', relative],
    ['another scheme', '{"web_hook":{"url":"ftp://example.com"}}', relative],
    ['javascript', '{"web_hook":{"url":"javascript:alert(1)"}}', relative],
    ['no host', '{"web_hook":{"url":"http://"}}', relative],
    [
      'a control character',
      '{"web_hook":{"url":"http://exa\\tmple.com"}}',
      { url: ['must not contain control characters'] },
    ],
    [
      'a line end',
      '{"web_hook":{"url":"http://example.com\\r\\n"}}',
      { url: ['must not contain control characters'] },
    ],
    [
      'half a surrogate pair',
      '{"web_hook":{"url":"http://example.com/\\ud800"}}',
      { url: ['must be valid Unicode text'] },
    ],
    ['an inherited name', '{"web_hook":{"__proto__":{"url":"http://example.com"}}}', blank],
    ['no web_hook', '{}', { web_hook: ["can't be blank"] }],
    ['a null web_hook', '{"web_hook":null}', { web_hook: ["can't be blank"] }],
    [
      'a web_hook that is text',
      '{"web_hook":"http://example.com"}',
      { web_hook: ['must be an object with a url'] },
    ],
    ['a web_hook that is a list', '{"web_hook":[]}', { web_hook: ['must be an object with a url'] }],
    ['a list', '[]', { body: ['must be a JSON object with a web_hook'] }],
    ['null alone', 'null', { body: ['must be a JSON object with a web_hook'] }],
  ])('names the field: %s', async (_what, body, errors) => {
    const { id } = (await world.hooks('POST', '/web_hooks.json', hook('http://example.com').body)).json()
      .web_hook;
    for (const [method, path] of [
      ['POST', '/web_hooks.json'],
      ['PUT', `/web_hook/${id}.json`],
    ] as const) {
      const answer = await world.hooks(method, path, body);
      expect([answer.status, answer.json()]).toEqual([400, { errors }]);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    }
  });

  it.each([
    ['credentials', 'http://user:password@example.com', 'credentials'],
    ['too long', `http://example.com/${'x'.repeat(2_048)}`, 'too long'],
    ['a private address', 'http://10.1.2.3', '10.0.0.0/8'],
    ['the cloud metadata address', 'http://169.254.169.254/latest', '169.254.0.0/16'],
    ['a decimal address', 'http://167772161', '10.0.0.0/8'],
    ['a private IPv6 address', 'http://[fd00::1]', 'fc00::/7'],
  ])('tells of %s', async (_what, url, part) => {
    const answer = await world.hooks('POST', '/web_hooks.json', { web_hook: { url } });
    expect(answer.status).toBe(400);
    expect(answer.json().errors.url.join()).toContain(part);
  });

  it('refuses loopback unless the operator allows it', async () => {
    const strict = await startWorld({ allow: [] });
    for (const url of ['http://127.0.0.1:1', 'http://localhost', 'http://[::1]', 'http://2130706433']) {
      const answer = await strict.hooks('POST', '/web_hooks.json', { web_hook: { url } });
      expect(answer.status).toBe(400);
      expect(Object.keys(answer.json().errors)).toEqual(['url']);
    }
    await strict.close();
  });

  it.each([
    ['nothing', ''],
    ['text', 'url=http://example.com'],
    ['half of it', '{"web_hook":'],
    ['a comma too many', '{"web_hook":{"url":"http://example.com",}}'],
    ['the missing comma that only a test forgives', '{"web_hook":{"a":"b"\n"url":"http://example.com"}}'],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
  ])('says that the body is not JSON: %s', async (_what, body) => {
    const answer = await world.hooks('POST', '/web_hooks.json', body);
    expect(answer.status).toBe(400);
    expect(answer.json().errors.body[0]).toMatch(/^is not valid JSON: ./);
  });

  it('refuses a body over the limit with 413, which the client gets', async () => {
    const body = `{"web_hook":{"url":"http://example.com"},"x":"${'x'.repeat(2 * 1024 * 1024)}"}`;
    const answer = await world.hooks('POST', '/web_hooks.json', body);
    expect(answer.status).toBe(413);
    expect(answer.json()).toEqual({ errors: { body: ['The body may have at most 1048576 bytes.'] } });
  });

  it('changes nothing', async () => {
    const company: Company = await world.addCompany('unchanged');
    const { id } = (
      await world.hooks('POST', '/web_hooks.json', hook('http://example.com').body, company)
    ).json().web_hook;
    await world.hooks('PUT', `/web_hook/${id}.json`, { web_hook: { url: 'nope' } }, company);
    await world.hooks('POST', '/web_hooks.json', { web_hook: { url: 'nope' } }, company);
    const list = (await world.hooks('GET', '/web_hooks.json', undefined, company)).json();
    expect(list).toEqual({ web_hooks: [{ id, url: 'http://example.com' }] });
  });
});

function hook(url: string) {
  return { body: { web_hook: { url } } };
}
