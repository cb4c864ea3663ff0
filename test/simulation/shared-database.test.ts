import { storeContract } from '../contract/store.ts';
import type { ContractWorld } from '../contract/world.ts';
import { memoryDatabase } from './memory-database.ts';
import { SharedDatabase } from './shared-database.ts';

storeContract({ name: 'The shared database of the simulation', shared: true, open, modelRuns: 10 });

async function open(): Promise<ContractWorld> {
  const connection = memoryDatabase();
  const database = new SharedDatabase(connection, { now: Date.now, carry: setImmediate });
  let store = database.open();
  return {
    store,
    async reopen() {
      await store.close();
      store = database.open();
      return store;
    },
    another: async () => database.open(),
    async dispose() {
      await store.close();
      connection.close();
    },
  };
}
