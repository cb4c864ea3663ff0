import { terminalText } from '../model/key-name.ts';
import type { Settings } from '../settings.ts';
import { listNodes } from '../store/open.ts';
import type { ListedNode } from '../store/store.ts';
import { systemClock as clock } from '../system/clock.ts';
import { explainStoreProblem } from './store-problem.ts';

const HEAD = ['EPOCH', 'NAME', 'SINCE', 'LAST BEAT', 'STATE'];
const STATES: Readonly<Record<ListedNode['state'], string>> = {
  live: 'live',
  silent: 'silent: its lease is over',
  ended: 'ended: others take over what it had',
};

/** `posthorn nodes`: the servers that share a database. */
export async function nodes(settings: Settings, { json }: { json: boolean }): Promise<number> {
  try {
    const found = await listNodes(settings);
    if (json) process.stdout.write(`${JSON.stringify((found ?? []).map(nodeOut), null, 2)}\n`);
    else process.stdout.write(text(found, settings));
    return 0;
  } catch (error) {
    throw explainStoreProblem(error, settings);
  }
}

function text(found: readonly ListedNode[] | null, { store }: Settings): string {
  if (store === 'sqlite') {
    return 'The store is SQLite: one server at a time uses it, and there are no nodes. Name a database with POSTHORN_STORE.\n';
  }
  if (found === null) return 'No server was ever started on this database.\n';
  if (found.length === 0) return 'No server runs on this database.\n';
  const rows = [HEAD, ...found.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

function cells({ epoch, name, startedAt, beatAt, state }: ListedNode): string[] {
  const ago = Math.max(0, Math.round((clock.now() - beatAt) / 1_000));
  return [
    String(epoch),
    terminalText(name),
    second(startedAt),
    `${second(beatAt)} (${ago} s ago)`,
    STATES[state],
  ];
}

function nodeOut({ startedAt, beatAt, ...node }: ListedNode) {
  return { ...node, startedAt: new Date(startedAt).toISOString(), beatAt: new Date(beatAt).toISOString() };
}

/** `2026-05-01 07:19:05Z` */
function second(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
