import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { TransferRow } from '../../store/transfer.ts';
import { type TableName, TRANSFER_TABLES } from '../../store/transfer-tables.ts';
import { CliError } from '../cli-error.ts';
import {
  type ExportHeader,
  LineProblem,
  noCounts,
  parseHeader,
  parseLine,
  tableOfLine,
} from './export-lines.ts';
import { readLines } from './read-lines.ts';
import type { Streams } from './streams.ts';

/** Where an export goes. */
export interface Sink {
  /** Resolves when it is written: whoever reads slowly is waited for. */
  write(text: string): Promise<void>;
  /** What was written stays, whatever happens to the machine. */
  close(): Promise<void>;
}

/** What a file has of an export that was broken off. */
export interface Begun {
  readonly header: ExportHeader;
  readonly counts: Record<TableName, number>;
  /** The table of the last complete line, and its row. Null: there is none but the header. */
  readonly last: { readonly table: TableName; readonly row: TransferRow } | null;
  readonly isComplete: boolean;
  /** Bytes up to the end of the last complete line. */
  readonly endsAt: number;
}

const OWNER_ONLY = 0o600;
const HEADER_BEGIN = '{"posthorn":';

export function outputSink(stdout: Streams['stdout']): Sink {
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        stdout.write(text, (error) => {
          if (!error) resolve();
          else
            reject(
              new CliError('Whoever reads the export stopped reading: it is not complete.', { cause: error }),
            );
        });
      }),
    close: async () => {},
  };
}

/** Makes the file, for the own user only. */
export async function newFile(path: string): Promise<Sink> {
  try {
    return sinkOf(path, await open(path, 'wx', OWNER_ONLY));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new CliError(
        `${path} is there already. Write another name after --out, or --resume to go on with the export that this file has the beginning of.`,
        { cause: error },
      );
    }
    throw fileProblem(path, error);
  }
}

/** Goes on behind this place; what is there is cut off. */
export async function appendToFile(path: string, endsAt: number): Promise<Sink> {
  try {
    const file = await open(path, constants.O_WRONLY);
    await file.truncate(endsAt);
    return sinkOf(path, file, endsAt);
  } catch (error) {
    throw fileProblem(path, error);
  }
}

function sinkOf(path: string, file: FileHandle, from = 0): Sink {
  let at = from;
  return {
    async write(text) {
      const bytes = Buffer.from(text);
      try {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
          done += bytesWritten;
          at += bytesWritten;
        }
      } catch (error) {
        throw fileProblem(path, error);
      }
    },
    async close() {
      try {
        await file.sync();
      } catch (error) {
        throw fileProblem(path, error);
      } finally {
        await file.close();
      }
    },
  };
}

/** Null: there is no file. `torn`: there is one that has not even a whole header. */
export async function readBegun(path: string): Promise<Begun | 'torn' | null> {
  const counts = noCounts();
  let header: ExportHeader | null = null;
  let lastBytes: Buffer | null = null;
  let endsAt = 0;
  let number = 0;
  try {
    for await (const lines of readLines(createReadStream(path, { highWaterMark: 1 << 20 }))) {
      for (const line of lines) {
        number = line.number;
        endsAt = line.endsAt;
        if (header === null) {
          header = parseHeader(line.bytes);
          continue;
        }
        const name = tableOfLine(line.bytes);
        if (name === null) throw new LineProblem('is not a line of an export');
        if (name !== 'end') counts[name]++;
        lastBytes = line.bytes;
      }
    }
    if (header === null) return await tornHeader(path);
    const last = lastBytes === null ? null : parseLine(lastBytes);
    return {
      ...{ header, counts, endsAt, isComplete: last?.kind === 'end' },
      last: last?.kind === 'row' ? { table: last.table.name, row: last.row } : null,
    };
  } catch (error) {
    if (error instanceof LineProblem) {
      throw new CliError(
        `${path} is no export to go on with: line ${Math.max(number, 1)} ${error.message}.`,
        {
          cause: error,
        },
      );
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileProblem(path, error);
  }
}

/** Only what an export may have left there is written over. */
async function tornHeader(path: string): Promise<'torn'> {
  const text = await readFile(path, 'utf8');
  if (text.startsWith(HEADER_BEGIN) || HEADER_BEGIN.startsWith(text)) return 'torn';
  throw new LineProblem('is not that of a Posthorn export');
}

/** The tables that are yet to be exported, each with the row to go on after. */
export function remainingTables(last: Begun['last']) {
  const index = TRANSFER_TABLES.findIndex(({ name }) => name === last?.table);
  return TRANSFER_TABLES.slice(Math.max(index, 0)).map((table) => ({
    table,
    after: table.name === last?.table ? last.row : null,
  }));
}

export function fileProblem(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || error instanceof CliError) return error;
  const advice: Readonly<Record<string, string>> = {
    ENOSPC: 'There is no space left: make room, and go on with --resume.',
    ENOENT: 'There is no such file, or no such folder for it.',
    EACCES: 'This user may not.',
    EISDIR: 'It is a folder.',
  };
  return new CliError(`${path} can't be used: ${advice[code] ?? `${message}.`}`, { cause: error });
}
