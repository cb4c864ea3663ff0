import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import { storeContract } from './store.ts';
import type { ContractWorld } from './world.ts';

const ONE = 'one process at a time has the file';
const ALONE = 'the one process that changes an application is the one that publishes';

storeContract({
  ...{ name: 'SQLite', shared: false, open },
  skips: {
    'tells each node of the others': ONE,
    'ends a node that does not beat for as long as its lease holds': ONE,
    'tells other processes what one signals, and not itself': ONE,
    'tells other processes that an application, an event type or a key was changed': ONE,
    'tells other processes which leases are void: cancelled, tried at once, or arrived by a resend': ONE,
    'runs nothing exclusively while another process does': ONE,
    'counts the changes of an application and its endpoints': ALONE,
    'takes nothing of a publish that goes by an older revision, and all of the others': ALONE,
  },
});

async function open(): Promise<ContractWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-contract-'));
  let store = await openSqliteStore({ folder });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ folder });
      return store;
    },
    another: () => openSqliteStore({ folder }),
    async dispose() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}
