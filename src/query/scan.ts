import { SCAN_ROWS, SCAN_STEP_ROWS } from '../limits.ts';
import type { AttemptPage, Scanned } from '../store/store.ts';
import type { Turn } from './scan-turns.ts';

/** Which rows of a list are wanted, newest first, and who waits for them. */
export interface ListAsked extends AttemptPage {
  /** On the way back: rows from this id on do not belong to the page, so that nothing is looked for there. */
  readonly below: string | null;
  /** Whether the caller has hung up: then nobody needs the rest. */
  isGone(): boolean;
}

/** With a lower bound alone a page is the rows next to it, and a scan goes up. */
export function isUpwards({ before, after }: AttemptPage): boolean {
  return after !== null && before === null;
}

/**
 * Rows by a filter, in steps between which everything else gets its turn. Ends when the page is full, at the end of the list,
 * or after `SCAN_ROWS` looked at: then `scannedTo` says how far it came.
 */
export async function scan<Row>(
  turn: Turn,
  asked: ListAsked,
  step: (page: AttemptPage) => Promise<Scanned<Row>>,
): Promise<Scanned<Row>> {
  const upwards = isUpwards(asked);
  const rows: Row[] = [];
  let { before, after } = asked;
  for (let looked = SCAN_STEP_ROWS; ; looked += SCAN_STEP_ROWS) {
    const found = await step({ limit: asked.limit - rows.length, before, after });
    if (upwards) rows.unshift(...found.rows);
    else rows.push(...found.rows);
    const { scannedTo } = found;
    if (scannedTo === null || rows.length >= asked.limit) return { rows, scannedTo: null };
    if (upwards && asked.below !== null && scannedTo >= asked.below) return { rows, scannedTo: null };
    if (looked >= SCAN_ROWS || asked.isGone()) return { rows, scannedTo };
    if (upwards) after = scannedTo;
    else before = scannedTo;
    await turn();
  }
}
