import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/open.ts';
import { Given } from '../contract/world.ts';

/** A real store in a folder of its own, to try a room on. */
export async function givenStore(): Promise<{ given: Given; dispose(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-store-'));
  const open = () => openSqliteStore({ folder });
  const dispose = async () => {
    await given.store.close();
    await rm(folder, { recursive: true });
  };
  const given = new Given({ store: await open(), reopen: open, another: open, dispose });
  await given.join();
  return { given, dispose };
}
