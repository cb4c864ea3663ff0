import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type Called, callsOf, EDGE_BODIES, type Known, realPath } from '../helpers/call-arbitrary.ts';
import type { OpenApiDocument } from '../helpers/conformance.ts';
import { fuzzSeed } from '../helpers/fuzz-seed.ts';
import type { JsonSchema } from '../helpers/schema-arbitrary.ts';
import { startWorld, type World } from '../helpers/world.ts';

/**
 * Calls made from the schemas that the server gives of itself, whole and broken. Whatever is sent, the answer comes, is no
 * 5xx, and is what the document promises (which every call of a world checks). `POSTHORN_FUZZ_SEED` repeats a run.
 */
const RUNS_WITH_BODY = 400;
const RUNS_WITHOUT_BODY = 150;

/** Answers 500 when the target fails, as its page says: test/api/garbage.test.ts has it. */
const LEFT_OUT = ['post /web_hooks/test.json'];

const world = await startWorld();
const document = (await world.call('GET', '/openapi.json')).json() as OpenApiDocument;
const components = document.components.schemas as Record<string, JsonSchema>;
afterAll(() => world.close());

const operations = Object.entries(document.paths)
  .flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method} ${path}`,
      method,
      path,
      operation,
    })),
  )
  .filter(({ name }) => !LEFT_OUT.includes(name));

describe(`calls from the schemas, seed ${fuzzSeed}`, () => {
  it('are of every operation', () => {
    expect(operations.length).toBeGreaterThan(40);
  });

  it.each(operations.map((each) => [each.name, each] as const))(
    '%s is answered as documented',
    async (_name, { method, path, operation }) => {
      const { known, token } = await somethingOfEach(world);
      const calls = callsOf(components, { method, path, operation }, { known, token });
      const body = operation.requestBody !== undefined;
      const statuses = new Set<number>();
      await fc.assert(
        fc.asyncProperty(calls, async (call) => {
          statuses.add(await isAnswered(method, token, call));
        }),
        {
          seed: fuzzSeed,
          numRuns: body ? RUNS_WITH_BODY : RUNS_WITHOUT_BODY,
          reporter: ({ failed, counterexample, errorInstance }) => {
            if (failed) throw new Error(`${shown(method, counterexample?.[0])}\n${String(errorInstance)}`);
          },
        },
      );
      for (const each of body ? EDGE_BODIES : []) {
        await isAnswered(method, token, { path: realPath(path, known), headers: {}, body: each });
      }
      expect([...statuses], 'some calls get through').toContainEqual(expect.toSatisfy((each) => each < 300));
      expect((await world.call('GET', '/api/v1/health')).status).toBe(200);
      expect(world.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
    },
    60_000,
  );
});

/** Returns the status. */
async function isAnswered(method: string, token: string, { path, headers, body }: Called): Promise<number> {
  const own = path.startsWith('/api') ? world.operatorKey : token;
  const key = 'authorization' in headers ? undefined : own;
  const target = new URL(path, world.url);
  const answer = await world.call(method.toUpperCase(), target.pathname + target.search, {
    key,
    headers,
    body,
  });
  expect(answer.status, answer.text).toBeLessThan(500);
  if (answer.status >= 400) expect(Object.keys(answer.json()).length).toBeGreaterThan(0);
  return answer.status;
}

function shown(method: string, call: Called | undefined): string {
  const body = call?.body === undefined ? '' : call.body.toString('latin1');
  const more = body.length > 500 ? `… (${body.length} bytes)` : '';
  return `${method} ${call?.path}\n${JSON.stringify(call?.headers)}\n${body.slice(0, 500)}${more}`;
}

/** An application with everything in it, so that calls get past the look-ups; and a key of its own. */
async function somethingOfEach({ operate, call }: World): Promise<{ known: Known; token: string }> {
  const made = async (path: string, body: object) => (await operate('POST', `/api/v1/${path}`, body)).json();
  const number = ++applications;
  const uid = `fuzz-${number}`;
  const app = await made('app', { name: 'Fuzz', uid });
  const url = 'http://127.0.0.1:1/';
  // Ordered, so that its deliveries can be skipped; the task waits as long as its endpoint is paused.
  const endpoint = await made(`app/${uid}/endpoint`, { url, uid: 'ep-uid', ordering: 'endpoint' });
  const paused = await made(`app/${uid}/endpoint`, { url, paused: true });
  const since = new Date(Date.now() - 1_000).toISOString();
  const task = await made(`app/${uid}/endpoint/${paused.id}/recover`, { since });
  const disabled = await made(`app/${uid}/endpoint`, { url, disabled: true });
  const operational = await made('operational-webhook/endpoint', { url, disabled: true });
  const name = `fuzz.type-${number}`;
  await made('event-type', { name, description: 'x', schemas: { 1: { examples: [{ a: 1 }] } } });
  const message = await made(`app/${uid}/msg`, { eventType: name, eventId: 'event', payload: { a: 1 } });
  const other = await made(`app/${uid}/msg`, { eventType: name, payload: { b: 2 } });
  const key = await made('key', { name: 'fuzz', application: app.id });
  const { token } = await made(`auth/app-portal-access/${uid}`, {});
  const hook = (await call('POST', '/web_hooks.json', { key: token, body: { web_hook: { url } } })).json();
  const attempts = async () =>
    (await operate('GET', `/api/v1/app/${uid}/attempt/msg/${message.id}`)).json().data;
  await expect
    .poll(async () => (await attempts()).length, { timeout: 10_000, interval: 5 })
    .toBeGreaterThan(0);
  const known = {
    app_id: [app.id, uid],
    endpoint_id: [endpoint.id, 'ep-uid', disabled.id, operational.id],
    msg_id: [message.id, 'event', other.id],
    attempt_id: [(await attempts())[0].id],
    event_type_name: [name],
    key_id: [key.id],
    task_id: [task.id],
    id: [hook.web_hook.id],
  };
  return { known, token };
}
let applications = 0;
