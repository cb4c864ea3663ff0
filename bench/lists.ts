import { monotonicMs } from './clock.ts';
import { Connection } from './connection.ts';
import { type FilledStore, filledStore, hugeStore, largeStore, type StoredMessage } from './filled-store.ts';
import { byIndex, type ListCall, listCalls } from './list-calls.ts';
import { walk } from './list-walk.ts';
import { type SeededRandom, seededRandom } from './random.ts';
import { type Figure, type Line, median, type Row, type Workbench } from './row.ts';
import { type ServerProcess, withServer } from './server-process.ts';
import { quantiles, sample } from './statistics.ts';

/** Messages in the small store, and as many attempts. */
const BESIDE = 1_000;
/** How often each is asked, whichever of the two comes first; a walk through many calls is finished, and the least are made. */
const USUAL: Effort = { callsMost: 1_000, ms: 4_000, walksLeast: 5 };
/** A walk through ten million messages takes ten seconds and more. */
const LARGE: Effort = { callsMost: 500, ms: 1_000, walksLeast: 1 };
const QUICK: Effort = { callsMost: 30, ms: 30, walksLeast: 1 };
/** This part of it before, uncounted. */
const WARM_UP = 0.1;

interface Effort {
  readonly callsMost: number;
  readonly ms: number;
  readonly walksLeast: number;
}

export const lists: Row = {
  ...reading(largeStore, USUAL),
  id: 'g',
  title: 'reading from a large store',
  meaning:
    'each call with a million messages and attempts in the store (20,000 with --quick), pages of 50 with payloads. The first ' +
    `${byIndex.length} are answered by index; the stats count all attempts; what the others look for is the oldest, ` +
    'and "whole" is all calls until it was found',
};

export const hugeLists: Row = {
  ...reading(hugeStore, LARGE),
  id: 'g4',
  title: 'reading from a huge store',
  meaning: 'as (g), with ten million messages and attempts in the store',
  notQuick: 'it takes 30 GB, and minutes to fill',
};

function reading(store: (bench: Workbench) => Promise<FilledStore>, usual: Effort) {
  return {
    unit: 'ms',
    beside: 'the same with 1,000 in the store',
    target: 'by index: p50 ratio <= 2',
    meets: (lines: readonly Line[]) =>
      byIndex.every(({ name }) => median(lines, `${name} p50`, 'ratio') <= 2),
    longestSeconds: 900,
    measure: async (bench: Workbench) => {
      const [large, small] = [await store(bench), await filledStore(BESIDE, bench.receiverUrl)];
      return measureReading(large, small, bench.quick ? QUICK : usual);
    },
  };
}

function measureReading(large: FilledStore, small: FilledStore, effort: Effort): ReturnType<Row['measure']> {
  const besides = (server: ServerProcess) =>
    withServer(
      async (beside) => {
        const reading = await Reading.open(large, server);
        const readingBeside = await Reading.open(small, beside);
        const { figures, notes } = await compare(reading, readingBeside, effort);
        reading.close();
        readingBeside.close();
        return { figures, notes: { 'ms from start to ready': await server.ready(), ...notes } };
      },
      { folder: small.folder },
    );
  return withServer(besides, { folder: large.folder });
}

async function compare(reading: Reading, readingBeside: Reading, effort: Effort) {
  const figures: Figure[] = [];
  const notes: Record<string, number> = {};
  for (const call of listCalls) {
    // Directly one after the other, so that both have the machine in the same mood.
    const { p50, p99, wholeMs, callsAWalk } = await reading.measure(call, effort);
    const beside = await readingBeside.measure(call, effort);
    figures.push({ name: `${call.name} p50`, value: p50, beside: beside.p50 });
    figures.push({ name: `${call.name} p99`, value: p99, beside: beside.p99 });
    if (call.wanted === 0) continue;
    figures.push({ name: `${call.name} whole`, value: wholeMs, beside: beside.wholeMs });
    notes[`calls to find it: ${call.name}`] = callsAWalk;
  }
  return { figures, notes };
}

/** Asks one server. */
class Reading {
  readonly #store: FilledStore;
  readonly #connection: Connection;
  readonly #random: SeededRandom = seededRandom(1);

  static async open(store: FilledStore, { url }: ServerProcess): Promise<Reading> {
    return new Reading(store, await Connection.open(url));
  }

  private constructor(store: FilledStore, connection: Connection) {
    this.#store = store;
    this.#connection = connection;
  }

  close(): void {
    this.#connection.close();
  }

  async measure(call: ListCall, effort: Effort) {
    // A search leads through everything, and warms itself up.
    if (call.wanted === 0) await this.#repeat(call, { ...effort, ms: effort.ms * WARM_UP, walksLeast: 0 });
    const walks = await this.#repeat(call, effort);
    const wholes = walks.map((callsMs) => callsMs.reduce((sum, each) => sum + each, 0));
    return {
      ...quantiles(Float64Array.from(walks.flat())),
      wholeMs: sample(wholes).median,
      callsAWalk: walks[0]?.length ?? 0,
    };
  }

  /** The ms of each call, walk by walk. */
  async #repeat({ name, path, wanted }: ListCall, effort: Effort): Promise<number[][]> {
    const walks: number[][] = [];
    let calls = 0;
    const endsAt = monotonicMs() + effort.ms;
    while (walks.length < effort.walksLeast || (calls < effort.callsMost && monotonicMs() < endsAt)) {
      const { callsMs, found } = await walk(this.#connection, path(this.#store, this.#anywhere()), wanted);
      if (found < wanted) throw new Error(`${name}: found ${found} of ${wanted}.`);
      walks.push(callsMs);
      calls += callsMs.length;
    }
    return walks;
  }

  /** In the middle half. */
  #anywhere(): StoredMessage {
    const { samples } = this.#store;
    return samples[Math.floor(this.#random.between(0.25, 0.75) * samples.length)] as StoredMessage;
  }
}
