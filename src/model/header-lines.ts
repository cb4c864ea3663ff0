import { HEADERS_STORED_CHARACTERS } from '../limits.ts';
import type { HeaderLines } from './exchange.ts';
import { HIDDEN_VALUE, isSensitiveHeader } from './sensitive-header.ts';

/** What would break the lines, or be refused by PostgreSQL's text. */
const HARMFUL = /[\0\r\n]/g;

/** The value as it can stand in a line. */
export function lineValue(value: string): string {
  // Nearly always there is nothing to replace, and a search is faster than a replacement.
  return value.search(HARMFUL) === -1 ? value : value.replace(HARMFUL, '\uFFFD');
}

/** Headers as they came: names in lower case, a list where one came more than once. Credentials are hidden. */
export function answerLines(headers: Readonly<Record<string, string | string[] | undefined>>): HeaderLines {
  let lines = '';
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    lines = added(lines, name, typeof value === 'string' ? value : value.join(', '));
  }
  return fitted(lines);
}

/** Headers of which only the names are kept. */
export function hiddenLines(names: readonly string[]): HeaderLines {
  return fitted(names.map((name) => `${name}\n${HIDDEN_VALUE}`).join('\n'));
}

/** Without the headers for which there is no room. The ones before them stay, and so do shorter ones after them. */
export function fitted(lines: HeaderLines): HeaderLines {
  if (lines.length <= HEADERS_STORED_CHARACTERS) return lines;
  const parts = lines.split('\n');
  let kept = '';
  for (let at = 0; at < parts.length; at += 2) {
    const line = `${parts[at]}\n${parts[at + 1]}`;
    const longer = kept === '' ? line : `${kept}\n${line}`;
    if (longer.length <= HEADERS_STORED_CHARACTERS) kept = longer;
  }
  return kept;
}

/** The headers as [name, value] in their order. */
export function readHeaderLines(lines: HeaderLines): [name: string, value: string][] {
  if (lines === '') return [];
  const parts = lines.split('\n');
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < parts.length; at += 2)
    headers.push([parts[at] as string, parts[at + 1] as string]);
  return headers;
}

function added(lines: HeaderLines, name: string, value: string): HeaderLines {
  const line = `${name}\n${isSensitiveHeader(name) ? HIDDEN_VALUE : lineValue(value)}`;
  return lines === '' ? line : `${lines}\n${line}`;
}
