import { ApiError } from '../../errors.ts';
import { keyMadeOut, keyOut } from '../../http/operator/key-out.ts';
import { PAGE_ROWS } from '../../limits.ts';
import type { Application } from '../../model/application.ts';
import { createIds } from '../../model/id.ts';
import { CAPABILITIES, type Key, SLOT_SETTINGS } from '../../model/key.ts';
import { Keyring, type ListedKey } from '../../registry/keyring.ts';
import type { Settings } from '../../settings.ts';
import { openStore as openStoreOf } from '../../store/open.ts';
import { type Store, StoreError } from '../../store/store.ts';
import { systemClock as clock } from '../../system/clock.ts';
import { systemRandom as random } from '../../system/random.ts';
import { CliError } from '../cli-error.ts';
import { hasDatabase } from '../data-folder.ts';
import { explainStartupError } from '../startup-error.ts';
import type { KeyDesk } from './desk.ts';

/** The keys in a data folder whose server does not run. Who may read and write that folder needs no key. */
export async function storeDesk(settings: Settings): Promise<KeyDesk> {
  const store = await openStore(settings);
  const log = { warn: (_fields: object, text: string) => void process.stderr.write(`posthorn: ${text}\n`) };
  const keyring = new Keyring({ store, clock, random, ids: createIds(clock, random), log });
  const application = async (ref: string) => {
    const found = await store.applicationFind({ ref });
    if (found === null) throw new CliError(`There is no application ${JSON.stringify(ref)}.`);
    return found;
  };
  return {
    async list(ref) {
      const applicationKey = ref === null ? undefined : (await application(ref)).key;
      return (await allKeys(keyring, applicationKey)).map(keyOut);
    },
    create: (wanted) =>
      explained(async () => {
        const owner: Application | null =
          wanted.application === null ? null : await application(wanted.application);
        const made = await keyring.create({
          name: wanted.name,
          applicationKey: owner?.key ?? null,
          capabilities:
            wanted.capabilities && CAPABILITIES.filter((each) => wanted.capabilities?.includes(each)),
          featureFlags: [],
          expiresAt: wanted.expiry === null ? null : clock.now() + wanted.expiry * 1_000,
        });
        return keyMadeOut(made);
      }),
    revoke: (id) =>
      explained(async () => {
        warnOfSetting((await keyring.find(id)).key);
        await keyring.revoke(id);
      }),
    rotate: (id, graceSeconds) =>
      explained(async () => {
        warnOfSetting((await keyring.find(id)).key);
        const graceMs = graceSeconds * 1_000;
        return keyMadeOut(await keyring.rotate(id, { graceMs, expiresAt: undefined }));
      }),
    close: () => store.close(),
  };
}

async function openStore(settings: Settings): Promise<Store> {
  const folder = settings.dataFolder;
  if (settings.store === 'sqlite' && !hasDatabase(folder)) {
    throw new CliError(
      `There is no database in ${folder}. Name the server's data folder with --data or POSTHORN_DATA, or a running server with --url.`,
    );
  }
  try {
    return await openStoreOf({ settings, clock });
  } catch (error) {
    if (error instanceof StoreError && error.code === 'locked') {
      throw new CliError(
        `A server runs on the data folder ${folder}. Call it: --url http://127.0.0.1:8071 (where it listens), with an operator key in POSTHORN_OPERATOR_KEY. If there is none, stop the server first.`,
        { cause: error },
      );
    }
    throw explainStartupError(error, settings);
  }
}

/** A running server knows what its settings give, and refuses; here nobody knows how it will be started. */
function warnOfSetting({ slot }: Key): void {
  if (slot === null) return;
  const setting = SLOT_SETTINGS[slot];
  process.stderr.write(
    `posthorn: This was the ${slot} key of the first start. If the server is started with ${setting}, the value of that becomes this key again: change or remove the setting.\n`,
  );
}

async function allKeys(keyring: Keyring, applicationKey: number | undefined): Promise<ListedKey[]> {
  const found: ListedKey[] = [];
  for (let after: string | null = null; ; ) {
    const page = await keyring.list({ applicationKey, limit: PAGE_ROWS, before: null, after });
    found.push(...page);
    if (page.length < PAGE_ROWS) return found;
    after = page.at(-1)?.key.id ?? null;
  }
}

/** What the API would answer, as a sentence at the command line. */
async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof ApiError ? new CliError(error.message, { cause: error }) : error;
  }
}
