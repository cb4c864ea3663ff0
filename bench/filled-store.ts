import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import Database from 'better-sqlite3';
import { fillStore, RARE } from './fill.ts';
import type { Workbench } from './row.ts';
import { createEndpoint } from './server-api.ts';
import { ServerFolder, withServer } from './server-process.ts';

/** A message in the store, and the attempt that was made of it. */
export interface StoredMessage {
  readonly id: string;
  readonly eventId: string;
  readonly attemptId: string;
}

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

/** Messages in the stores that rows read from, or publish to. */
const STORED = { large: 1_000_000, huge: 10_000_000, quickLarge: 20_000, quickHuge: 60_000 };
/** Rows of a page when nobody says how many. */
const PAGE_ROWS = 50;
const SAMPLES = 1_000;
/** A message, its delivery, its attempt and their indexes, with room for what comes later. */
const BYTES_A_MESSAGE = 3_000;

export function largeStore({ quick, receiverUrl }: Workbench): Promise<FilledStore> {
  return filledStore(quick ? STORED.quickLarge : STORED.large, receiverUrl);
}

export function hugeStore({ quick, receiverUrl }: Workbench): Promise<FilledStore> {
  return filledStore(quick ? STORED.quickHuge : STORED.huge, receiverUrl);
}

const filled = new Map<number, Promise<FilledStore>>();

/**
 * A store with `count` messages. The first call fills it, which for ten million takes minutes, and 30 GB where temporary files
 * go; later calls get the same one, with whatever was added to it since.
 */
export function filledStore(count: number, receiverUrl: string): Promise<FilledStore> {
  const store = filled.get(count) ?? fill(count, receiverUrl);
  filled.set(count, store);
  return store;
}

async function fill(count: number, receiverUrl: string): Promise<FilledStore> {
  refuseFullDisk(count);
  const folder = new ServerFolder();
  const { endpointId, quietEndpointId } = await withServer(
    async ({ url }) => ({
      endpointId: await createEndpoint(url, { url: `${receiverUrl}/hook` }),
      quietEndpointId: await createEndpoint(url, {
        url: `${receiverUrl}/quiet`,
        filterTypes: [RARE.eventType],
      }),
    }),
    { folder },
  );
  const oldestKey = await fillStore({ folder, count, endpointIds: [endpointId], quietEndpointId });
  const numbers = Array.from({ length: Math.min(count, SAMPLES) }, (_, index) =>
    Math.floor((index * count) / SAMPLES),
  );
  const samples = read(folder, oldestKey, numbers);
  const [beforeLastPage] = read(folder, oldestKey, [PAGE_ROWS]);
  if (beforeLastPage === undefined) throw new Error('A store of one page is no store to look through.');
  return { folder, count, endpointId, quietEndpointId, samples, beforeLastPage };
}

/** A store with `count` deliveries that wait for their first attempt, spread over so many endpoints. Nobody else gets it. */
export async function waitingStore(
  count: number,
  endpoints: number,
  receiverUrl: string,
): Promise<ServerFolder> {
  refuseFullDisk(count);
  const folder = new ServerFolder();
  const endpointIds = await withServer(
    ({ url }) =>
      // A channel of its own each: only what is filled in goes there.
      Promise.all(
        Array.from({ length: endpoints }, (_, number) =>
          createEndpoint(url, { url: `${receiverUrl}/${number}`, channels: [`c${number}`] }),
        ),
      ),
    { folder },
  );
  await fillStore({ folder, count, endpointIds, quietEndpointId: null });
  return folder;
}

function refuseFullDisk(count: number): void {
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize > count * BYTES_A_MESSAGE) return;
  const gb = Math.ceil((count * BYTES_A_MESSAGE) / 1e9);
  throw new Error(
    `${tmpdir()} has no room for ${count} messages: ${gb} GB are needed (TMPDIR chooses another folder).`,
  );
}

function read(folder: ServerFolder, oldestKey: number, numbers: readonly number[]): StoredMessage[] {
  const file = new Database(folder.dataFile, { readonly: true, fileMustExist: true });
  try {
    const statement = file.prepare(
      `SELECT message.id, event_id AS eventId, attempt.id AS attemptId FROM message
       JOIN attempt USING (message_key) WHERE message_key = ? LIMIT 1`,
    );
    return numbers.flatMap(
      (number) => (statement.get(oldestKey + number) as StoredMessage | undefined) ?? [],
    );
  } finally {
    file.close();
  }
}
