import type { NumberedTable, TableName, TransferTable } from './transfer-tables.ts';

export type TransferValue = number | string | Buffer | null;
/** In the order of the table's columns. */
export type TransferRow = readonly TransferValue[];

export type StoreKind = 'sqlite' | 'postgres';

/** The highest number that was given to a row of each table, also when the row is gone; 0: none was. */
export type LastNumbers = Readonly<Record<NumberedTable, number>>;

/** A store that is exported. It stays as it is; SQLite's is locked meanwhile. */
export interface TransferSource {
  readonly kind: StoreKind;
  /** Of the master key that its secrets are sealed with. Null: none was ever used. */
  readonly masterKeyId: number | null;
  /** Another one after the store was used: what was exported before and after that does not belong together. */
  readonly state: string;
  readonly lastNumbers: LastNumbers;
  /** Processes use it. What they do after the first look at it is not seen. */
  readonly live: boolean;
  /** The rows that come after this one, of which at least the key is right, in the order of the table's key; none: there are no more. */
  read(table: TransferTable, after: TransferRow | null): Promise<TransferRow[]>;
  close(): Promise<void>;
}

/** A store that is being imported. No server starts on it until that is finished. */
export interface TransferTarget {
  readonly kind: StoreKind;
  /**
   * Begins an import, or goes on with it. Returns how many lines of it are done, that of the header at least. Throws `incompatible` when something else is in
   * the store.
   * @param params.id A number below 2^48 that tells this export from others.
   */
  begin(params: { id: number; masterKeyId: number | null }): Promise<{ lines: number }>;
  /** Writes these rows, and that the lines up to `to` are done, when those up to `from` were: all or nothing of it. */
  write(params: {
    table: TransferTable;
    rows: readonly TransferRow[];
    from: number;
    to: number;
  }): Promise<void>;
  /** The rows of each table. */
  counts(): Promise<Record<TableName, number>>;
  /**
   * Makes the store ready for a server.
   * @param params.now When those are due whose turn in a line it becomes.
   */
  finish(params: { now: number; lastNumbers: LastNumbers }): Promise<void>;
  close(): Promise<void>;
}

/** In `meta` while an import is not finished: what is imported, and how many lines of it are done. */
export const IMPORT_ID = 'import_id';
export const IMPORT_LINES = 'import_lines';
/** In `meta` from the end of an import on: what was imported. */
export const IMPORTED_ID = 'imported_id';
export const HEADER_LINES = 1;

export const HALF_IMPORTED =
  'An import into this store is not finished: run "posthorn import" again with the same file. What is there so far is of no use to a server.';

/** What is said of a store that is not empty, with how to get an empty one. */
export function notEmptySentence(table: TableName, remedy: string): string {
  return `The store is not empty: it has rows in the table ${table}, as after the first start of a server, or after the import of another file. An import needs a store that was never used. ${remedy}`;
}

export const ALREADY_IMPORTED =
  'The import of this file into this store is finished, and nothing is left to do: all of it is there, and servers can be started on it, or were. Nothing was changed.';

export const OTHER_IMPORT =
  'An import of another file into this store is not finished. Finish that one first, or begin with an empty store.';

export const IMPORTED_TWICE =
  'Another import into this store is under way. Wait for it, or stop it and run this one again.';

/** Of a source whose schema is older. */
export function olderSchemaSentence(present: number, known: number): string {
  return `The store's schema is version ${present}; this Posthorn has ${known}. Run "posthorn migrate" first.`;
}
