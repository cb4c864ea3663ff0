import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/**
 * All that the server connects to passes the guard, because nothing else in its source can connect at all. (That nobody
 * uses the global `fetch` and `WebSocket` is a rule of the linter.)
 */

const src = join(import.meta.dirname, '../../src');
const CLIENTS = /^(node:)?(net|tls|http|https|http2|dgram|dns|dns\/promises|inspector|child_process|undici)$/;
/** Of those modules, what connects nowhere: types, servers, tests of an address. */
const HARMLESS = new Set([
  'createServer',
  'isIP',
  'isIPv4',
  'isIPv6',
  'STATUS_CODES',
  'errors',
  'createSecureContext',
]);
HARMLESS.add('rootCertificates').add('Server');

const IMPORT = /^(?:import|export) (type )?(?:\{([^}]*)\}|(.*?)) from '([^']+)';/gms;

it('nothing in the source can connect but the sender, the resolver, and the command line as a client', () => {
  const connecting: string[] = [];
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const text = readFileSync(path, 'utf8');
    const loaded = [...text.matchAll(/\b(?:import|getBuiltinModule|binding)\(\s*['"`]?([^'"`)]*)/g)];
    expect([path, text.includes('createRequire')]).toEqual([path, false]);
    expect([path, loaded.filter(([, name]) => CLIENTS.test(name as string))]).toEqual([path, []]);
    for (const [, isType, named, whole, from] of text.matchAll(IMPORT)) {
      if (isType !== undefined || !CLIENTS.test(from as string)) continue;
      const names = (named ?? whole ?? '').split(',').map((each) => each.trim());
      const able = names.filter((each) => each !== '' && !each.startsWith('type '));
      for (const name of able) {
        const original = name.split(' as ')[0] as string;
        if (!HARMLESS.has(original)) connecting.push(`${path.slice(src.length + 1)}: ${original} of ${from}`);
      }
    }
  }
  expect(connecting.toSorted()).toEqual([
    // Through the guard.
    'cli/api-call.ts: request of node:http',
    'cli/api-call.ts: request of node:https',
    'deliver/connection-pool.ts: Client of undici',
    'deliver/egress-guard.ts: buildConnector of undici',
    'deliver/resolver.ts: Resolver of node:dns/promises',
  ]);
});
