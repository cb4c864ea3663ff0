import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import { storeContract } from './store.ts';
import type { ContractWorld } from './world.ts';

storeContract('SQLite', async (): Promise<ContractWorld> => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-contract-'));
  let store = await openSqliteStore({ folder });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ folder });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
});
