import type { Readable } from 'node:stream';

/** The standard streams of a process, as far as exports and imports use them. */
export interface Streams {
  readonly stdin: Readable;
  readonly stdout: { write(text: string, done?: (error?: Error | null) => void): unknown };
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown };
}
