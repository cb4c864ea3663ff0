import { openSqliteStore } from '../src/store/sqlite/open.ts';
import type { Store } from '../src/store/store.ts';
import { fillStore, RARE, type StoredMessage } from './fill.ts';
import { createEndpoint } from './server-api.ts';
import { ServerFolder, withServer } from './server-process.ts';

/** A server's folder with messages, each with one delivery to a hook and one attempt. */
export interface FilledStore {
  readonly folder: ServerFolder;
  readonly count: number;
  /** Where all of them went. */
  readonly endpointId: string;
  /** Where the oldest went too, and nothing since. */
  readonly quietEndpointId: string;
  /** Messages evenly over the store, oldest first. */
  readonly samples: readonly StoredMessage[];
  /** The one behind which the last page is, and that is full. */
  readonly beforeLastPage: StoredMessage;
}

/** Rows of a page when nobody says how many. */
const PAGE_ROWS = 50;
const SAMPLES = 1_000;

const filled = new Map<number, Promise<FilledStore>>();

/**
 * A store with `count` messages. The first call fills it, which for a million takes a minute, and 2 GB where temporary files
 * go; later calls get the same one, with whatever was added to it since.
 */
export function filledStore(count: number, receiverUrl: string): Promise<FilledStore> {
  const store = filled.get(count) ?? fill(count, receiverUrl);
  filled.set(count, store);
  return store;
}

async function fill(count: number, receiverUrl: string): Promise<FilledStore> {
  const folder = new ServerFolder();
  const endpoints = await withServer(async ({ url }) => {
    return {
      endpointId: await createEndpoint(url, { url: `${receiverUrl}/hook` }),
      quietEndpointId: await createEndpoint(url, {
        url: `${receiverUrl}/quiet`,
        filterTypes: [RARE.eventType],
      }),
    };
  }, folder);
  const store = await openSqliteStore({ folder: folder.dataFolder });
  try {
    const filling = { store, count, ...(await keysOf(store, endpoints)) };
    const samples: StoredMessage[] = [];
    let beforeLastPage: StoredMessage | null = null;
    let number = 0;
    for await (const message of fillStore(filling)) {
      if (number === PAGE_ROWS) beforeLastPage = message;
      if (number % Math.ceil(count / SAMPLES) === 0) samples.push(message);
      number++;
    }
    if (beforeLastPage === null) throw new Error('A store of one page is no store to look through.');
    return { folder, count, ...endpoints, samples, beforeLastPage };
  } finally {
    await store.close();
  }
}

async function keysOf(
  store: Store,
  { endpointId, quietEndpointId }: Pick<FilledStore, 'endpointId' | 'quietEndpointId'>,
) {
  const company = await store.applicationFindByNumber({ number: 1 });
  if (company === null) throw new Error('The server has made no company.');
  const endpoints = await store.endpointList({ applicationKey: company.key });
  const keyOf = (endpointId: string) => {
    const found = endpoints.find(({ id }) => id === endpointId);
    if (found === undefined) throw new Error(`The store has no endpoint ${endpointId}.`);
    return found.key;
  };
  return {
    applicationKey: company.key,
    endpointKey: keyOf(endpointId),
    quietEndpointKey: keyOf(quietEndpointId),
  };
}
