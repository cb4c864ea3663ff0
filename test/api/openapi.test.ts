import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorTable } from '../../src/errors.ts';
import { version } from '../../src/version.ts';
import { startWorld, type World } from '../helpers/world.ts';

interface Operation {
  operationId: string;
  summary: string;
  security: object[];
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

let world: World;
let document: Document;
beforeAll(async () => {
  world = await startWorld();
  document = (await world.call('GET', '/openapi.json')).json();
});
afterAll(() => world.close());

function operations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

describe('GET /openapi.json', () => {
  it('is an OpenAPI 3.1 document of both faces, without a key', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'Posthorn', version });
    expect(
      operations()
        .map(({ path, method }) => `${method} ${path}`)
        .sort(),
    ).toEqual([
      'delete /web_hooks/{id}.json',
      'get /api/v1/app/{app_id}',
      'get /api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}',
      'get /api/v1/app/{app_id}/attempt/msg/{msg_id}',
      'get /api/v1/app/{app_id}/endpoint',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret',
      'get /api/v1/app/{app_id}/msg',
      'get /api/v1/app/{app_id}/msg/{msg_id}',
      'get /api/v1/app/{app_id}/msg/{msg_id}/endpoint',
      'get /api/v1/event-type',
      'get /api/v1/event-type/{event_type_name}',
      'get /api/v1/health',
      'get /api/v1/health/ping',
      'get /web_hooks.json',
      'post /api/v1/app',
      'post /api/v1/app/{app_id}/endpoint',
      'post /api/v1/app/{app_id}/msg',
      'post /api/v1/app/{app_id}/msg/batch',
      'post /api/v1/auth/app-portal-access/{app_id}',
      'post /api/v1/auth/logout',
      'post /web_hooks.json',
      'post /web_hooks/test.json',
      'put /web_hook/{id}.json',
      'put /web_hooks/{id}.json',
    ]);
  });

  it('says of each operation what the specification asks for', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`;
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const given = (operation.parameters ?? []).filter((each) => each.in === 'path');
      expect([where, given.map(({ name }) => name)]).toEqual([where, named]);
      expect(given.every(({ required }) => required)).toBe(true);
      expect(operation.summary).toMatch(/\w/);
      expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect([where, status, response.description]).toEqual([where, status, expect.stringMatching(/\w/)]);
      }
      for (const scheme of operation.security.flatMap((each) => Object.keys(each))) {
        expect(document.components.securitySchemes).toHaveProperty(scheme);
      }
      expect('requestBody' in operation).toBe(
        (method === 'post' || method === 'put') && !path.endsWith('/logout'),
      );
    }
  });

  it('refers only to what is there, by schemas that are valid', () => {
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"\$ref":"([^"]*)"/g)) {
      expect(name).toMatch(/^#\/components\/schemas\//);
      expect(document.components.schemas).toHaveProperty(name?.split('/').at(-1) as string);
    }
    const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
    ajv.addVocabulary(['components']);
    formats.default(ajv);
    for (const schema of Object.values(document.components.schemas)) {
      expect(() => ajv.compile({ ...schema, components: document.components })).not.toThrow();
    }
  });

  it('documents every error of the table', () => {
    const text = operations()
      .map(({ operation }) => JSON.stringify(operation.responses))
      .join();
    for (const [code, { status }] of Object.entries(errorTable)) {
      // These two can come from any path: they belong to no operation.
      if (code === 'internal_error' || code === 'method_not_allowed') continue;
      expect(text).toContain(`"${status}":`);
      expect(text).toContain(`\`${code}\``);
    }
  });

  it('is the same at /docs/json and from the server object', async () => {
    expect((await world.call('GET', '/docs/json')).json()).toEqual(document);
    expect(JSON.parse(JSON.stringify(world.http.openapi()))).toEqual(document);
  });

  it('describes the answers as they are', async () => {
    const ajv = new Ajv2020({ strict: false });
    formats.default(ajv);
    const check = (method: string, path: string, status: number, body: unknown) => {
      const schema = document.paths[path]?.[method]?.responses[status]?.content?.['application/json']?.schema;
      const validate = ajv.compile({ ...schema, components: document.components });
      expect([path, validate(body), validate.errors]).toEqual([path, true, null]);
    };
    const hook = await world.hooks('POST', '/web_hooks.json', { web_hook: { url: 'http://127.0.0.1:1' } });
    check('post', '/web_hooks.json', 201, hook.json());
    check('get', '/web_hooks.json', 200, (await world.hooks('GET', '/web_hooks.json')).json());
    check('post', '/web_hooks.json', 400, (await world.hooks('POST', '/web_hooks.json', {})).json());
    const test = { action_type: 'ticket.created', url: 'http://127.0.0.1:1' };
    check(
      'post',
      '/web_hooks/test.json',
      500,
      (await world.hooks('POST', '/web_hooks/test.json', test)).json(),
    );
    const message = await world.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
    check('post', '/api/v1/app/{app_id}/msg', 202, message.json());
    const batch = await world.operate('POST', '/api/v1/app/1/msg/batch', {
      messages: [{ eventType: 'a', payload: {} }],
    });
    check('post', '/api/v1/app/{app_id}/msg/batch', 202, batch.json());
    const invalid = await world.operate('POST', '/api/v1/app/1/msg', {});
    check('post', '/api/v1/app/{app_id}/msg', 422, invalid.json());
    const created = await world.operate('POST', '/api/v1/app', { name: 'x', uid: 'x', throttleRate: 1 });
    check('post', '/api/v1/app', 201, created.json());
    for (const [path, real] of [
      ['/api/v1/app/{app_id}', '/api/v1/app/1'],
      ['/api/v1/app/{app_id}/endpoint', '/api/v1/app/1/endpoint'],
      ['/api/v1/app/{app_id}/endpoint/{endpoint_id}', `/api/v1/app/1/endpoint/${hook.json().web_hook.id}`],
      [
        '/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret',
        `/api/v1/app/1/endpoint/${hook.json().web_hook.id}/secret`,
      ],
      ['/api/v1/app/{app_id}/msg', '/api/v1/app/1/msg'],
      ['/api/v1/app/{app_id}/msg/{msg_id}', `/api/v1/app/1/msg/${message.json().id}`],
      ['/api/v1/app/{app_id}/msg/{msg_id}/endpoint', `/api/v1/app/1/msg/${message.json().id}/endpoint`],
      ['/api/v1/app/{app_id}/attempt/msg/{msg_id}', `/api/v1/app/1/attempt/msg/${message.json().id}`],
      ['/api/v1/event-type', '/api/v1/event-type?with_content=true'],
      ['/api/v1/event-type/{event_type_name}', '/api/v1/event-type/ticket.created'],
      ['/api/v1/health', '/api/v1/health'],
    ] as const) {
      check('get', path, 200, (await world.operate('GET', real)).json());
    }
  });
});

describe('the page at /docs', () => {
  it('is where / leads', async () => {
    const answer = await world.call('GET', '/');
    expect([answer.status, answer.headers.location]).toEqual([307, '/docs']);
  });

  it.each(['/docs', '/docs/'])(
    '%s loads everything from this server, and may load nothing else',
    async (path) => {
      const page = await world.call('GET', path);
      expect(page.status).toBe(200);
      expect(page.headers['content-type']).toMatch(/^text\/html/);
      expect(page.text).toContain('Posthorn API');
      expect(page.text).not.toMatch(/https?:\/\//);
      const policy = String(page.headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
      expect(policy).not.toMatch(/script-src[^;]*unsafe-inline/);
      const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
      expect(loaded.length).toBeGreaterThan(3);
      for (const link of loaded) {
        const asset = await world.call('GET', new URL(link, `${world.url}${path}`).pathname);
        expect([link, asset.status]).toEqual([link, 200]);
        expect(asset.headers['content-security-policy']).toBe(policy);
      }
      const { text } = await world.call('GET', '/docs/static/swagger-initializer.js');
      expect(text.replace('https://stackoverflow.com', '')).not.toMatch(/https?:\/\//);
    },
  );
});
