import type { Settings } from '../../settings.ts';
import { openTransferSource } from '../../store/open.ts';
import type { TransferSource } from '../../store/transfer.ts';
import type { TableName } from '../../store/transfer-tables.ts';
import { systemClock as clock } from '../../system/clock.ts';
import { version } from '../../version.ts';
import { CliError } from '../cli-error.ts';
import { explainStoreProblem, refuseMissingDatabase } from '../store-problem.ts';
import {
  appendToFile,
  type Begun,
  newFile,
  outputSink,
  readBegun,
  remainingTables,
  type Sink,
} from './export-file.ts';
import { type ExportHeader, endLine, FORMAT, headerLine, noCounts, rowLine } from './export-lines.ts';
import { countsTable, createProgress, figure } from './progress.ts';
import { listenForStop, type Stopping } from './stopping.ts';
import type { Streams } from './streams.ts';

export interface ExportOptions {
  /** Null: standard output. */
  readonly out: string | null;
  readonly resume: boolean;
  readonly whileRunning: boolean;
}

/** `posthorn export`: everything that the store keeps, a line each. Returns the exit code. */
export async function exportStore(
  settings: Settings,
  options: ExportOptions,
  streams: Streams = process,
): Promise<number> {
  refuseMissingDatabase(settings);
  const stopping = listenForStop();
  let source: TransferSource | null = null;
  try {
    source = await openTransferSource({ settings });
    return await exportFrom(source, options, { stopping, streams });
  } catch (error) {
    throw explainStoreProblem(error, settings);
  } finally {
    await source?.close();
    stopping.end();
  }
}

async function exportFrom(
  source: TransferSource,
  { out, resume, whileRunning }: ExportOptions,
  { stopping, streams: { stdout, stderr } }: { stopping: Stopping; streams: Streams },
): Promise<number> {
  refuseLive(source, { resume, whileRunning });
  const begun = resume && out !== null ? await readBegun(out) : null;
  if (begun !== null && begun !== 'torn') {
    if (begun.isComplete) {
      stderr.write(`posthorn: ${out} is complete.\n`);
      return 0;
    }
    refuseOther(begun, source, out);
  }
  const sink = await sinkFor(out, begun, stdout);
  try {
    const header = headerOf(source);
    if (begun === null || begun === 'torn') await sink.write(headerLine(header));
    const counts = begun === null || begun === 'torn' ? noCounts() : begun.counts;
    const last = begun === null || begun === 'torn' ? null : begun.last;
    if (!(await writeTables(source, sink, { counts, last, stopping, stderr }))) {
      stderr.write(stoppedText(out, counts));
      return stopping.exitCode;
    }
    await sink.write(endLine(counts));
    stderr.write(doneText(source, out, counts));
    return 0;
  } finally {
    await sink.close();
  }
}

/** False: it was stopped. */
async function writeTables(
  source: TransferSource,
  sink: Sink,
  params: {
    counts: Record<TableName, number>;
    last: Begun['last'];
    stopping: Stopping;
    stderr: Streams['stderr'];
  },
): Promise<boolean> {
  const { counts, last, stopping, stderr } = params;
  const progress = createProgress({ doing: 'exporting', clock, stderr });
  try {
    for (const { table, after } of remainingTables(last)) {
      for (let row = after; ; ) {
        if (stopping.asked) return false;
        const rows = await source.read(table, row);
        if (rows.length === 0) break;
        const text = rows.map((each) => rowLine(table, each)).join('');
        await sink.write(text);
        counts[table.name] += rows.length;
        row = rows.at(-1) ?? null;
        progress.add(table.name, rows.length, text.length);
      }
    }
    return true;
  } finally {
    progress.end();
  }
}

function headerOf({ masterKeyId, lastNumbers, kind, state, live }: TransferSource): ExportHeader {
  return {
    posthorn: version,
    format: FORMAT,
    masterKeyId,
    exportedAt: new Date(clock.now()).toISOString(),
    from: kind,
    whileRunning: live,
    lastNumbers,
    state,
  };
}

function sinkFor(
  out: string | null,
  begun: Begun | 'torn' | null,
  stdout: Streams['stdout'],
): Promise<Sink> | Sink {
  if (out === null) return outputSink(stdout);
  if (begun === null) return newFile(out);
  return appendToFile(out, begun === 'torn' ? 0 : begun.endsAt);
}

function refuseLive({ live }: TransferSource, { resume, whileRunning }: Omit<ExportOptions, 'out'>): void {
  if (!live) return;
  if (!whileRunning) {
    throw new CliError(
      'Servers run on this database: "posthorn nodes" lists them. Stop them first. Or write --while-running: the export is then of this moment, and what they accept or send later is not in it.',
    );
  }
  if (!resume) return;
  throw new CliError(
    'Servers run on this database, so that what is there now does not belong to what was exported before. Stop them to go on with --resume, or begin a new export.',
  );
}

function refuseOther(
  { header }: Begun,
  { kind, state, masterKeyId }: TransferSource,
  out: string | null,
): void {
  if (header.from === kind && header.state === state && header.masterKeyId === masterKeyId) return;
  throw new CliError(
    `${out} was begun from another store, or this one was used since: what it has does not belong to what is there now. Begin a new export with another name.`,
  );
}

function stoppedText(out: string | null, counts: Record<TableName, number>): string {
  const rows = figure(sum(counts));
  if (out === null) return `posthorn: Stopped after ${rows} rows: the export is not complete.\n`;
  return `posthorn: Stopped after ${rows} rows. To go on, write the same command with --resume.\n`;
}

function doneText(source: TransferSource, out: string | null, counts: Record<TableName, number>): string {
  const meanwhile = source.live
    ? 'Servers were running: what they accepted or sent since it began is not in it, and what they sent will be sent again.\n'
    : '';
  return `posthorn: Exported ${figure(sum(counts))} rows${out === null ? '' : ` to ${out}`}.\n${meanwhile}${countsTable(counts)}`;
}

function sum(counts: Record<TableName, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
