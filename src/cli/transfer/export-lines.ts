import type { LastNumbers, StoreKind, TransferRow, TransferValue } from '../../store/transfer.ts';
import {
  type TableName,
  TRANSFER_TABLES,
  type TransferColumn,
  type TransferTable,
} from '../../store/transfer-tables.ts';

/** Another one when the lines of an export mean something else than they did. */
export const FORMAT = 1;

/** The first line of an export. */
export interface ExportHeader {
  /** The version that wrote it. */
  readonly posthorn: string;
  readonly format: number;
  readonly masterKeyId: number | null;
  /** ISO 8601 */
  readonly exportedAt: string;
  readonly from: StoreKind;
  /** As in `TransferSource`. */
  readonly lastNumbers: LastNumbers;
  readonly state: string;
  /** Servers used the store meanwhile. */
  readonly whileRunning: boolean;
}

export type Counts = Readonly<Record<TableName, number>>;

export type ExportLine =
  | { readonly kind: 'row'; readonly table: TransferTable; readonly row: TransferRow }
  | { readonly kind: 'end'; readonly counts: Counts };

/** Why a line is not usable, as the rest of a sentence: "is not JSON". */
export class LineProblem extends Error {}

const END = 'end';
const tables = new Map<string, TransferTable>(TRANSFER_TABLES.map((table) => [table.name, table]));

export function headerLine(header: ExportHeader): string {
  return `${JSON.stringify(header)}\n`;
}

export function rowLine({ name, columns }: TransferTable, row: TransferRow): string {
  const fields: Record<string, unknown> = {};
  columns.forEach((column, index) => {
    const value = row[index] ?? null;
    fields[column.name] = Buffer.isBuffer(value) ? value.toString('base64') : value;
  });
  return `${JSON.stringify([name, fields])}\n`;
}

export function endLine(counts: Counts): string {
  return `${JSON.stringify([END, counts])}\n`;
}

export function noCounts(): Record<TableName, number> {
  return Object.fromEntries(TRANSFER_TABLES.map(({ name }) => [name, 0])) as Record<TableName, number>;
}

export function parseHeader(bytes: Buffer): ExportHeader {
  const header = parsed(bytes) as Partial<ExportHeader> | null;
  const { posthorn, format, lastNumbers } = header ?? {};
  if (typeof posthorn !== 'string' || typeof format !== 'number' || typeof lastNumbers !== 'object') {
    throw new LineProblem('is not that of a Posthorn export');
  }
  if (format !== FORMAT) {
    throw new LineProblem(
      `says format ${format}, as Posthorn ${posthorn} writes it; this Posthorn reads format ${FORMAT}`,
    );
  }
  return header as ExportHeader;
}

/** The table that a line is of, told by its beginning; `end` for the last line. Null: no line begins so. */
export function tableOfLine(bytes: Buffer): TableName | typeof END | null {
  const quote = bytes.indexOf('"', 2);
  const name = bytes.toString('latin1', 2, quote);
  return name === END || tables.has(name) ? (name as TableName) : null;
}

export function parseLine(bytes: Buffer): ExportLine {
  const line = parsed(bytes);
  if (!Array.isArray(line) || line.length !== 2 || line[1] === null || typeof line[1] !== 'object') {
    throw new LineProblem('is not a row of an export');
  }
  const [name, fields] = line as [unknown, Record<string, unknown>];
  if (name === END) return { kind: 'end', counts: { ...noCounts(), ...(fields as Counts) } };
  const table = tables.get(name as string);
  if (table === undefined) {
    throw new LineProblem(`is of a table that this Posthorn does not have: ${JSON.stringify(name)}`);
  }
  const row = table.columns.map((column) => valueIn(column, fields[column.name]));
  const unknown = Object.keys(fields).find((each) => !table.columns.some((column) => column.name === each));
  if (unknown !== undefined) {
    throw new LineProblem(
      `has ${JSON.stringify(unknown)}, which this Posthorn does not have in ${table.name}`,
    );
  }
  return { kind: 'row', table, row };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new LineProblem('is not JSON');
  }
}

function valueIn({ name, kind }: TransferColumn, value: unknown): TransferValue {
  if (value === null) return null;
  if (kind === 'integer' && Number.isSafeInteger(value)) return value as number;
  if (kind === 'text' && typeof value === 'string') return value;
  if (kind === 'bytes' && typeof value === 'string') return Buffer.from(value, 'base64');
  const wanted = { integer: 'a whole number below 2^53', text: 'a text', bytes: 'bytes in base64' }[kind];
  throw new LineProblem(`has no ${name} that is ${wanted}, or null`);
}
