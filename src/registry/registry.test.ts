import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { createIds } from '../model/id.ts';
import { openSqliteStore } from '../store/sqlite/open.ts';
import { Registry } from './registry.ts';

it('reads an application once for all who ask at the same time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-registry-'));
  const store = await openSqliteStore({ folder });
  let reads = 0;
  const clock = new ManualClock();
  const random = seededRandom(1);
  const registry = new Registry({
    store: {
      ...store,
      endpointList: (params) => {
        reads++;
        return store.endpointList(params);
      },
    },
    clock,
    random,
    ids: createIds(clock, random),
    masterKey: { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) },
    onEndpointChanged: () => {},
    onEndpointDeleted: () => {},
    onApplicationDeleted: () => {},
  });
  const { key } = await registry.applicationCreate({
    uid: null,
    name: 'A',
    throttleRate: null,
    metadata: {},
  });
  await Promise.all(Array.from({ length: 50 }, () => registry.endpoints(key)));
  expect(reads).toBe(1);
  await expect(registry.withEndpoints(99)).rejects.toThrow();
  await expect(registry.withEndpoints(99)).rejects.toThrow();
  await store.close();
  await rm(folder, { recursive: true });
});
