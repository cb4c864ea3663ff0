import { styleText } from 'node:util';

export type Paint = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** Colours for standard output: only on a terminal, and not with NO_COLOR. */
export function paint(style: Paint, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true });
}
