import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { TRANSFER_PAGE_BYTES } from '../../limits.ts';
import type { MasterKey } from '../../model/sealed.ts';
import type { Settings } from '../../settings.ts';
import { openTransferTarget } from '../../store/open.ts';
import { StoreError } from '../../store/store.ts';
import { HEADER_LINES, type TransferRow, type TransferTarget } from '../../store/transfer.ts';
import { TRANSFER_TABLES, type TransferTable } from '../../store/transfer-tables.ts';
import { systemClock as clock } from '../../system/clock.ts';
import { CliError } from '../cli-error.ts';
import { findMasterKey } from '../data-folder.ts';
import { explainStoreProblem } from '../store-problem.ts';
import { fileProblem } from './export-file.ts';
import { type Counts, type ExportHeader, LineProblem, parseHeader, parseLine } from './export-lines.ts';
import { countsTable, createProgress, figure, type Progress } from './progress.ts';
import { type ReadLine, readLines } from './read-lines.ts';
import { listenForStop, type Stopping } from './stopping.ts';
import type { Streams } from './streams.ts';

/** Bytes of the header's hash that tell exports apart. */
const ID_BYTES = 6;
const READ_BYTES = 1 << 20;

/** `posthorn import`: what an export has, into a store that was never used. Returns the exit code. */
export async function importStore(
  settings: Settings,
  { path }: { path: string | null },
  streams: Streams = process,
): Promise<number> {
  const input: Readable =
    path === null ? streams.stdin : createReadStream(path, { highWaterMark: READ_BYTES });
  // What is yet to come may take long.
  const stopping = listenForStop(() => input.destroy());
  let unread: Error | null = null;
  input.once('error', (error) => {
    unread = error;
  });
  const run = new Import(settings, stopping, streams);
  try {
    return await run.from(readLines(input));
  } catch (error) {
    if (error instanceof LineProblem) throw run.lineProblem(error);
    if (error === unread) throw fileProblem(path ?? 'Standard input', error);
    throw run.explained(error);
  } finally {
    input.destroy();
    await run.close();
    stopping.end();
  }
}

/** Rows of one table that are written together. */
interface Batch {
  readonly table: TransferTable;
  readonly rows: TransferRow[];
  bytes: number;
}

class Import {
  readonly #settings: Settings;
  readonly #stopping: Stopping;
  readonly #streams: Streams;
  readonly #progress: Progress;
  #target: TransferTarget | null = null;
  #header: ExportHeader | null = null;
  /** The line that is being read, and the last one whose row is in the store. */
  #line = 0;
  #done = 0;
  #batch: Batch | null = null;
  #counts: Counts | null = null;

  constructor(settings: Settings, stopping: Stopping, streams: Streams) {
    this.#settings = settings;
    this.#stopping = stopping;
    this.#streams = streams;
    this.#progress = createProgress({ doing: 'importing', clock, stderr: streams.stderr });
  }

  async from(lines: AsyncIterable<readonly ReadLine[]>): Promise<number> {
    try {
      await this.#takeAll(lines);
      await this.#write();
    } finally {
      this.#progress.end();
    }
    if (this.#counts !== null) return this.#end(this.#counts);
    if (this.#stopping.asked) {
      const where = `Stopped: the lines up to ${figure(this.#done)} are in the store.`;
      this.#streams.stderr.write(`posthorn: ${where} To go on, write the same command again.\n`);
      return this.#stopping.exitCode;
    }
    throw this.#unfinished();
  }

  async close(): Promise<void> {
    await this.#target?.close();
  }

  /** What stopped it, with what to do. */
  explained(error: unknown): unknown {
    const explained = explainStoreProblem(error, this.#settings);
    const isForNow =
      error instanceof StoreError && (error.code === 'unavailable' || error.code === 'unknown');
    if (!isForNow || this.#done <= HEADER_LINES || !(explained instanceof CliError)) return explained;
    return new CliError(`${explained.message} ${this.#standing()}`, { cause: error });
  }

  lineProblem({ message }: LineProblem): CliError {
    return new CliError(`Line ${this.#line} of the export ${message}. ${this.#standing()}`);
  }

  async #takeAll(lines: AsyncIterable<readonly ReadLine[]>): Promise<void> {
    try {
      for await (const some of lines) {
        for (const line of some) if (this.#counts === null) await this.#take(line);
        if (this.#counts !== null || this.#stopping.asked) return;
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!this.#stopping.asked || code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  }

  async #take({ bytes, number }: ReadLine): Promise<void> {
    this.#line = number;
    if (this.#header === null) {
      this.#header = parseHeader(bytes);
      await this.#begin(this.#header, bytes);
      return;
    }
    if (number <= this.#done) return;
    const line = parseLine(bytes);
    if (line.kind === 'end') {
      await this.#write(number - 1);
      this.#counts = line.counts;
      return;
    }
    if (this.#batch !== null && this.#batch.table !== line.table) await this.#write(number - 1);
    this.#batch ??= { table: line.table, rows: [], bytes: 0 };
    const batch = this.#batch;
    batch.rows.push(line.row);
    batch.bytes += bytes.length;
    const isFull = batch.rows.length === batch.table.pageRows || batch.bytes >= TRANSFER_PAGE_BYTES;
    if (isFull) await this.#write();
  }

  async #begin({ masterKeyId, whileRunning }: ExportHeader, bytes: Buffer): Promise<void> {
    if (masterKeyId !== null) refuseOtherKey(findMasterKey(this.#settings), masterKeyId);
    const log = { info: this.#say, warn: this.#say };
    this.#target = await openTransferTarget({ settings: this.#settings, clock, log });
    const id = createHash('sha256').update(bytes).digest().readUIntBE(0, ID_BYTES);
    const { lines } = await this.#target.begin({ id, masterKeyId });
    this.#done = lines;
    if (lines > HEADER_LINES) this.#streams.stderr.write(`posthorn: Going on after line ${figure(lines)}.\n`);
    if (whileRunning) {
      this.#streams.stderr.write(
        'posthorn: Servers were running when this was exported: what they accepted since is not in it, and what they sent since is sent again.\n',
      );
    }
  }

  /** What was gathered, up to this line. */
  async #write(to = this.#line): Promise<void> {
    const batch = this.#batch;
    if (batch === null || this.#target === null) return;
    const { table, rows, bytes } = batch;
    try {
      await this.#target.write({ table, rows, from: this.#done, to });
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const lines = `The lines ${this.#done + 1} to ${to} of the export can't be written to the table ${table.name}`;
      throw new CliError(
        `${lines}: ${(error as Error).message}. Somebody else writes to this store, or the file was changed. ${this.#standing()}`,
        { cause: error },
      );
    }
    this.#batch = null;
    this.#done = to;
    this.#progress.add(table.name, rows.length, bytes);
  }

  async #end(counts: Counts): Promise<number> {
    const target = this.#target as TransferTarget;
    const found = await target.counts();
    const wrong = TRANSFER_TABLES.find(({ name }) => found[name] !== counts[name]);
    if (wrong !== undefined) {
      throw new CliError(
        `The table ${wrong.name} has ${figure(found[wrong.name])} rows, and the export ${figure(counts[wrong.name])}. Somebody else wrote to this store, or lines are missing in the file. Begin again with an empty store.`,
      );
    }
    const { lastNumbers } = this.#header as ExportHeader;
    await target.finish({ now: clock.now(), lastNumbers });
    this.#streams.stderr.write('posthorn: Imported everything. Servers can be started on this store.\n');
    this.#streams.stdout.write(countsTable(found));
    return 0;
  }

  readonly #say = (fields: object, text: string) => {
    this.#streams.stderr.write(`posthorn: ${text} ${JSON.stringify(fields)}\n`);
  };

  #unfinished(): CliError {
    if (this.#header === null) return new CliError('There is no export: not even a first line came.');
    return new CliError(
      `The export ends at line ${figure(this.#line)} without its last line: it is not complete. Finish it ("posthorn export --resume"). ${this.#standing()}`,
    );
  }

  #standing(): string {
    if (this.#done <= HEADER_LINES) return 'Nothing was imported.';
    return `The lines up to ${figure(this.#done)} are in the store; write the same command again to go on after them.`;
  }
}

function refuseOtherKey(masterKey: MasterKey | null, masterKeyId: number): void {
  if (masterKey?.id.readUInt32BE() === masterKeyId) return;
  const problem =
    masterKey === null
      ? 'The master key that seals the signing secrets in this export is missing.'
      : 'The signing secrets in this export are sealed with another master key than the one that is set here.';
  throw new CliError(
    `${problem} An export does not have it: set POSTHORN_MASTER_KEY to the one that the exported store was used with, or copy its master.key into the data folder. Nothing was imported.`,
  );
}
