import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorTable } from '../../src/errors.ts';
import { version } from '../../src/version.ts';
import type { OpenApiDocument, Operation } from '../helpers/conformance.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Calls that say all in their path. */
const BODYLESS = /\/(logout|resend|dashboard-access\/\{app_id\})$/;

let world: World;
let document: OpenApiDocument;
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
      'delete /api/v1/app/{app_id}',
      'delete /api/v1/app/{app_id}/endpoint/{endpoint_id}',
      'delete /api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content',
      'delete /api/v1/app/{app_id}/msg/{msg_id}/content',
      'delete /api/v1/event-type/{event_type_name}',
      'delete /api/v1/key/{key_id}',
      'delete /api/v1/operational-webhook/endpoint/{endpoint_id}',
      'delete /web_hooks/{id}.json',
      'get /api/v1/app',
      'get /api/v1/app/{app_id}',
      'get /api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}',
      'get /api/v1/app/{app_id}/attempt/msg/{msg_id}',
      'get /api/v1/app/{app_id}/endpoint',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/headers',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/health',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/msg',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/stats',
      'get /api/v1/app/{app_id}/endpoint/{endpoint_id}/stats/series',
      'get /api/v1/app/{app_id}/msg',
      'get /api/v1/app/{app_id}/msg/{msg_id}',
      'get /api/v1/app/{app_id}/msg/{msg_id}/attempt',
      'get /api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}',
      'get /api/v1/app/{app_id}/msg/{msg_id}/endpoint',
      'get /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt',
      'get /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/explain',
      'get /api/v1/app/{app_id}/msg/{msg_id}/explain',
      'get /api/v1/app/{app_id}/stats',
      'get /api/v1/app/{app_id}/task',
      'get /api/v1/app/{app_id}/task/{task_id}',
      'get /api/v1/background-task',
      'get /api/v1/background-task/{task_id}',
      'get /api/v1/event-type',
      'get /api/v1/event-type/{event_type_name}',
      'get /api/v1/health',
      'get /api/v1/health/ping',
      'get /api/v1/key',
      'get /api/v1/key/{key_id}',
      'get /api/v1/operational-webhook/endpoint',
      'get /api/v1/operational-webhook/endpoint/{endpoint_id}',
      'get /api/v1/operational-webhook/endpoint/{endpoint_id}/headers',
      'get /api/v1/operational-webhook/endpoint/{endpoint_id}/secret',
      'get /api/v1/stats',
      'get /web_hooks.json',
      'patch /api/v1/app/{app_id}',
      'patch /api/v1/app/{app_id}/endpoint/{endpoint_id}',
      'patch /api/v1/app/{app_id}/endpoint/{endpoint_id}/headers',
      'patch /api/v1/event-type/{event_type_name}',
      'patch /api/v1/operational-webhook/endpoint/{endpoint_id}',
      'patch /api/v1/operational-webhook/endpoint/{endpoint_id}/headers',
      'post /api/v1/app',
      'post /api/v1/app/{app_id}/endpoint',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/bulk-replay',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/held/discard',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/held/release',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/recover',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/replay-missing',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate',
      'post /api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example',
      'post /api/v1/app/{app_id}/msg',
      'post /api/v1/app/{app_id}/msg/batch',
      'post /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/cancel',
      'post /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend',
      'post /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/retry',
      'post /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/skip',
      'post /api/v1/app/{app_id}/task/{task_id}/cancel',
      'post /api/v1/auth/app-portal-access/{app_id}',
      'post /api/v1/auth/dashboard-access/{app_id}',
      'post /api/v1/auth/logout',
      'post /api/v1/event-type',
      'post /api/v1/key',
      'post /api/v1/key/{key_id}/rotate',
      'post /api/v1/operational-webhook/endpoint',
      'post /api/v1/operational-webhook/endpoint/{endpoint_id}/secret/rotate',
      'post /web_hooks.json',
      'post /web_hooks/test.json',
      'put /api/v1/app/{app_id}',
      'put /api/v1/app/{app_id}/endpoint/{endpoint_id}',
      'put /api/v1/app/{app_id}/endpoint/{endpoint_id}/headers',
      'put /api/v1/event-type/{event_type_name}',
      'put /api/v1/operational-webhook/endpoint/{endpoint_id}',
      'put /api/v1/operational-webhook/endpoint/{endpoint_id}/headers',
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
        ['post', 'put', 'patch'].includes(method) && !BODYLESS.test(path),
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
    const [first, again] = [await world.call('GET', '/docs/json'), await world.call('GET', '/docs/json')];
    expect(first.headers['content-type']).toMatch(/^application\/json/);
    expect([first.json(), again.text]).toEqual([document, first.text]);
    // Writing it takes 20 ms a call, and nobody asks for it.
    expect((await world.call('GET', '/docs/yaml')).status).toBe(404);
    expect(JSON.parse(JSON.stringify(world.http.openapi()))).toEqual(document);
  });

  it('has examples and defaults that fit their schemas', () => {
    const ajv = new Ajv2020({ strict: false });
    formats.default(ajv);
    const examples = examplesIn(document);
    expect(examples.length).toBeGreaterThan(30);
    for (const { where, schema, value } of examples) {
      const check = ajv.compile({ ...schema, components: document.components });
      expect([where, value, check(value), check.errors]).toEqual([where, value, true, null]);
    }
  });
});

interface Example {
  readonly where: string;
  readonly schema: Schema;
  readonly value: unknown;
}

interface Schema {
  readonly examples?: readonly unknown[];
  readonly example?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

/** Every example and default of the document, with the schema that it stands beside. */
function examplesIn({ paths, components }: OpenApiDocument): Example[] {
  const ofContent = (where: string, content: Operation['responses'][string]['content'] = {}) =>
    Object.values(content).flatMap((media) => [
      ...besideSchema(where, media),
      ...examplesOf(where, media.schema),
    ]);
  const ofOperation = (where: string, { parameters = [], requestBody, responses }: Operation) => [
    ...parameters.flatMap((each) => [
      ...besideSchema(`${where} ${each.name}`, each),
      ...examplesOf(`${where} ${each.name}`, each.schema),
    ]),
    ...ofContent(`${where} body`, requestBody?.content),
    ...Object.entries(responses).flatMap(([status, { content }]) => ofContent(`${where} ${status}`, content)),
  ];
  return [
    ...Object.entries(components.schemas).flatMap(([name, schema]) => examplesOf(name, schema)),
    ...Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) => ofOperation(`${method} ${path}`, operation)),
    ),
  ];
}

/** `example` and `examples` of a parameter or of a media type: there they are named, each with a `value`. */
function besideSchema(
  where: string,
  owner: { schema: Schema; example?: unknown; examples?: object },
): Example[] {
  const named = Object.values(owner.examples ?? {}).map((each) => each.value as unknown);
  const values = 'example' in owner ? [owner.example, ...named] : named;
  return values.map((value) => ({ where, schema: owner.schema, value }));
}

/** `examples`, `example` and `default` of a schema and of all within it. */
function examplesOf(where: string, schema: Schema): Example[] {
  const { examples = [], items, additionalProperties, anyOf = [], oneOf = [], allOf = [] } = schema;
  const own = [...examples];
  if ('example' in schema) own.push(schema.example);
  if ('default' in schema) own.push(schema.default);
  const named = Object.entries({ ...schema.properties, ...schema.patternProperties });
  const within = [...anyOf, ...oneOf, ...allOf];
  if (items) within.push(items);
  if (typeof additionalProperties === 'object') within.push(additionalProperties);
  return [
    ...own.map((value) => ({ where, schema, value })),
    ...within.flatMap((each) => examplesOf(where, each)),
    ...named.flatMap(([name, each]) => examplesOf(`${where}.${name}`, each)),
  ];
}

describe('the page at /docs', () => {
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
