import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type World } from '../helpers/world.ts';

/** docs/operator-api.md names every operation: those of the protocol in one table, ours in another. */

const page = readFileSync(new URL('../../docs/operator-api.md', import.meta.url), 'utf8');
/** The protocol's own document. It is not part of this repository: where it lies beside it, the table is held to it. */
const protocol = new URL('../../../shared/reference/svix-openapi.json', import.meta.url);

const CALL = /`((?:GET|HEAD|POST|PUT|PATCH|DELETE) \/api\/v1\/[^`]*)`/g;

function callsIn(section: string): string[] {
  const text = page.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  const firstCells = text.split('\n').map((line) => /^\| (.*?) \|/.exec(line)?.[1] ?? '');
  return firstCells.flatMap((cell) => [...cell.matchAll(CALL)].map(([, call]) => call as string));
}

interface Document {
  paths: Record<string, Record<string, unknown>>;
}

function operationsOf({ paths }: Document): string[] {
  const verbs = ['get', 'head', 'post', 'put', 'patch', 'delete'];
  return Object.entries(paths).flatMap(([path, operations]) =>
    verbs.filter((verb) => verb in operations).map((verb) => `${verb.toUpperCase()} ${path}`),
  );
}

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

it('has the 43 operations of the protocol, each implemented', () => {
  const table = callsIn('Every operation of the protocol');
  expect(new Set(table).size).toBe(43);
  expect(table).toHaveLength(43);
  expect(new Set(table.map((call) => call.split(' ')[1])).size).toBe(26);
  const rows = page.split('\n').filter((line) => line.startsWith('| `') && line.includes(' | yes | '));
  expect(rows).toHaveLength(43);
});

it('names everything that the server has, and nothing else', async () => {
  const document: Document = (await world.call('GET', '/openapi.json')).json();
  const served = operationsOf(document).filter((call) => call.includes(' /api/v1/'));
  const named = [...callsIn('Every operation of the protocol'), ...callsIn('Additions')];
  // HEAD is answered wherever GET is, and not in the document.
  expect(named.filter((call) => !call.startsWith('HEAD ')).sort()).toEqual(served.sort());
  for (const call of named.filter((each) => each.startsWith('HEAD '))) {
    const [method, path] = call.split(' ') as [string, string];
    expect([call, (await world.call(method, path)).status]).toEqual([call, expect.toBeOneOf([200, 204])]);
  }
});

it.skipIf(!existsSync(protocol))('has what the document of the protocol has, when that is at hand', () => {
  const document: Document = JSON.parse(readFileSync(protocol, 'utf8'));
  expect(callsIn('Every operation of the protocol').sort()).toEqual(operationsOf(document).sort());
});
