import type { Clock } from '../../model/clock.ts';

const EVERY_MS = { terminal: 1_000, other: 10_000 };
const MB = 1_000_000;

export interface Progress {
  /** So many more rows and bytes are done; the last of them is of this table. */
  add(table: string, rows: number, bytes: number): void;
  /** Ends the line that is written over. */
  end(): void;
}

/** Says on standard error how far it is: on a terminal in one line, else in a line now and then. */
export function createProgress(params: {
  doing: string;
  clock: Pick<Clock, 'monotonic'>;
  stderr: { readonly isTTY?: boolean; write(text: string): unknown };
}): Progress {
  const { doing, clock, stderr } = params;
  const isTerminal = stderr.isTTY === true;
  const everyMs = isTerminal ? EVERY_MS.terminal : EVERY_MS.other;
  const startedAt = clock.monotonic();
  let saidAt = startedAt;
  let isLineOpen = false;
  const done = { rows: 0, bytes: 0 };
  return {
    add(table, rows, bytes) {
      done.rows += rows;
      done.bytes += bytes;
      const now = clock.monotonic();
      if (now - saidAt < everyMs) return;
      saidAt = now;
      const seconds = Math.round((now - startedAt) / 1_000);
      const text = `${doing} ${table}: ${figure(done.rows)} rows, ${figure(Math.round(done.bytes / MB))} MB in ${seconds} s`;
      stderr.write(isTerminal ? `\r${text}\x1b[K` : `${text}\n`);
      isLineOpen = isTerminal;
    },
    end() {
      if (isLineOpen) stderr.write('\r\x1b[K');
      isLineOpen = false;
    },
  };
}

/** `1,234,567` */
export function figure(number: number): string {
  return number.toLocaleString('en-US');
}

/** A line for each table. */
export function countsTable(counts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(counts).map(([name, count]) => [name, figure(count)] as const);
  const width = Math.max(...rows.map(([name]) => name.length));
  const figures = Math.max(...rows.map(([, count]) => count.length));
  return rows.map(([name, count]) => `${name.padEnd(width)}  ${count.padStart(figures)}\n`).join('');
}
