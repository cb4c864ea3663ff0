import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OpenApiDocument } from '../helpers/conformance.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** No array that a body can hold takes longer than its limit allows. */

type Schema = Record<string, unknown>;

let world: World;
let document: OpenApiDocument;
beforeAll(async () => {
  world = await startWorld();
  document = (await world.call('GET', '/openapi.json')).json();
});
afterAll(() => world.close());

function resolved(schema: Schema): Schema {
  if (typeof schema.$ref !== 'string') return schema;
  const name = schema.$ref.split('/').at(-1) as string;
  return document.components.schemas[name] as unknown as Schema;
}

/** The paths of the arrays in a schema, and how many items each may have. */
function arraysIn(given: Schema, path: readonly string[] = []): { path: readonly string[]; most: number }[] {
  const schema = resolved(given);
  const found = schema.type === 'array' ? [{ path, most: Number(schema.maxItems) }] : [];
  const items = schema.items ? arraysIn(schema.items as Schema, [...path, '0']) : [];
  const either = ((schema.anyOf ?? []) as Schema[]).flatMap((each) => arraysIn(each, path));
  const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
  return [
    ...found,
    ...items,
    ...either,
    ...members.flatMap(([name, each]) => arraysIn(each, [...path, name])),
  ];
}

it('answers one problem to every array with too many items, whatever the items are', async () => {
  const asked: string[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const body = (operation.requestBody as Schema | undefined)?.content as Record<
        string,
        { schema: Schema }
      >;
      if (!path.startsWith('/api/v1') || body === undefined) continue;
      for (const { path: place, most } of arraysIn(body['application/json']?.schema ?? {})) {
        if (Number.isNaN(most)) continue;
        const long: unknown = new Array(most + 1).fill({});
        const value = place.reduceRight((inner, step) => (step === '0' ? [inner] : { [step]: inner }), long);
        const at = path.replaceAll(/\{[a-z_]+\}/g, '1');
        const answer = await world.operate(method.toUpperCase(), at, value);
        expect([method, path, place, answer.status]).toEqual([method, path, place, 422]);
        expect(answer.json().detail).toEqual([
          expect.objectContaining({ msg: expect.stringMatching(/^must (not have more than|have 1 to) \d+/) }),
        ]);
        asked.push(`${method} ${path} ${place.join('.')}`);
      }
    }
  }
  expect(asked).toContain('post /api/v1/app/{app_id}/msg channels');
  expect(asked).toContain('post /api/v1/app/{app_id}/msg/batch messages.0.channels');
  expect(asked).toContain('patch /api/v1/app/{app_id}/endpoint/{endpoint_id} eventTypes');
  expect(asked).toContain('put /api/v1/app/{app_id}/endpoint/{endpoint_id} retrySchedule.delaysSeconds');
  expect(asked.length).toBeGreaterThan(15);
});
