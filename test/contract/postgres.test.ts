import { openPostgresStore } from '../../src/store/postgres/open.ts';
import { systemClock } from '../../src/system/clock.ts';
import { testDatabase } from '../helpers/postgres.ts';
import { storeContract } from './store.ts';
import type { ContractWorld } from './world.ts';

storeContract({
  name: 'PostgreSQL',
  shared: true,
  open,
  modelRuns: 25,
  skips: {
    'keeps a payload with a NUL character and a byte order mark to the character':
      'No text of PostgreSQL can have a NUL. No JSON text has one either, so that none comes in by HTTP.',
    'keep a body with a NUL character': 'No text of PostgreSQL can have a NUL: it is kept as U+FFFD.',
  },
});

async function open(): Promise<ContractWorld> {
  const database = await testDatabase();
  let store = await openPostgresStore({ url: database.url, clock: systemClock });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openPostgresStore({ url: database.url, clock: systemClock });
      return store;
    },
    another: () => openPostgresStore({ url: database.url, clock: systemClock }),
    async dispose() {
      await store.close();
      await database.dispose();
    },
  };
}
