import type { ShownKey, ShownNewKey } from '../../http/operator/key-out.ts';
import { terminalText } from '../../model/key-name.ts';

const HEAD = ['ID', 'NAME', 'FOR', 'MAY', 'CREATED', 'EXPIRES', 'LAST USED'];

/** Keys as a table for people; a sentence when there is none. */
export function keyTable(keys: readonly ShownKey[]): string {
  if (keys.length === 0) return 'There is no such key.\n';
  const rows = [HEAD, ...keys.map((key) => cells(key).map(terminalText))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`;
}

function cells(key: ShownKey): string[] {
  return [
    key.id,
    key.name,
    key.applicationId ?? 'operator',
    mayText(key),
    minute(key.createdAt),
    key.expiresAt === null ? 'never' : minute(key.expiresAt),
    key.lastUsedAt === null ? 'never' : minute(key.lastUsedAt),
  ];
}

function mayText({ capabilities }: ShownKey): string {
  if (capabilities === null) return 'everything';
  return capabilities.length === 1 && capabilities[0] === 'ViewBase' ? 'read' : capabilities.join(',');
}

/** `2026-05-01 07:19Z` */
function minute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')}Z`;
}

/** What is said beside the text of a new key. */
export function madeText(key: ShownNewKey): string {
  const scope = key.applicationId === null ? 'operator key' : `key of ${key.applicationId}`;
  const end = key.expiresAt === null ? '' : `, until ${minute(key.expiresAt)}`;
  return `${key.id}, ${scope}${end}. It is shown this once; Posthorn keeps only its hash:\n`;
}
