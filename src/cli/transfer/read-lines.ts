import { TRANSFER_LINE_BYTES } from '../../limits.ts';
import { LineProblem } from './export-lines.ts';

export interface ReadLine {
  /** Without its end. */
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Where the next line begins. */
  readonly endsAt: number;
}

const LINE_FEED = 10;

/** The complete lines of a stream, some at a time. What comes after the last line feed is left out: it may be half a line. */
export async function* readLines(chunks: AsyncIterable<Buffer | string>): AsyncGenerator<ReadLine[]> {
  /** What came of a line that is not complete. */
  let parts: Buffer[] = [];
  let kept = 0;
  let number = 0;
  let endsAt = 0;
  for await (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const lines: ReadLine[] = [];
    let from = 0;
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
      const last = bytes.subarray(from, at);
      const whole = parts.length === 0 ? last : Buffer.concat([...parts, last]);
      parts = [];
      kept = 0;
      from = at + 1;
      endsAt += whole.length + 1;
      lines.push({ bytes: whole, number: ++number, endsAt });
    }
    if (from < bytes.length) parts.push(bytes.subarray(from));
    kept += bytes.length - from;
    if (kept > TRANSFER_LINE_BYTES) {
      throw new LineProblem(`after line ${number} has no end within ${TRANSFER_LINE_BYTES} bytes`);
    }
    if (lines.length > 0) yield lines;
  }
}
