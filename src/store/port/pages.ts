/**
 * A page of rows that were picked by a filter. There is no index for every filter, so that a call looks at a bounded number
 * of rows and says how far it came: the next call goes on from there.
 */
export interface Scanned<Row> {
  readonly rows: Row[];
  /** The id of the last row looked at, when the bound ended the call; null when the page is full or the list ended. */
  readonly scannedTo: string | null;
}
