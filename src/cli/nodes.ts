import { terminalText } from '../model/key-name.ts';
import type { Settings } from '../settings.ts';
import { listNodes } from '../store/open.ts';
import type { ListedNode } from '../store/store.ts';
import { systemClock as clock } from '../system/clock.ts';
import { explainStoreProblem } from './store-problem.ts';

const HEAD = ['EPOCH', 'NAME', 'SINCE', 'LAST BEAT', 'LEASE', 'STATE'];
const STATES: Readonly<Record<ListedNode['state'], string>> = {
  live: 'live',
  silent: 'silent: its lease is over',
  ended: 'ended: it was not heard of, and others take over what it had',
  left: 'left: it was stopped',
};

const UNEQUAL =
  'The live nodes have different leases. Set POSTHORN_NODE_LEASE to the same on all, or what a node had that dies is taken over later than its own says.';

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
  const live = found.filter(({ state }) => state === 'live').map(({ leaseMs }) => tenths(leaseMs ?? 0));
  const warning = new Set(live).size > 1 ? `${UNEQUAL}\n` : '';
  return `${rows.map(line).join('\n')}\n${warning}`;
}

function cells({ epoch, name, startedAt, beatAt, leaseMs, state }: ListedNode): string[] {
  const ago = Math.max(0, Math.round((clock.now() - beatAt) / 1_000));
  return [
    String(epoch),
    terminalText(name),
    second(startedAt),
    `${second(beatAt)} (${ago} s ago)`,
    leaseMs === null ? '-' : `${tenths(leaseMs)} s`,
    STATES[state],
  ];
}

function nodeOut({ startedAt, beatAt, leaseMs, ...node }: ListedNode) {
  return {
    ...node,
    startedAt: new Date(startedAt).toISOString(),
    beatAt: new Date(beatAt).toISOString(),
    leaseMs: leaseMs === null ? null : Math.round(leaseMs / 100) * 100,
  };
}

/** Tenths of a second: what the store knows of it is right within milliseconds. */
function tenths(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** `2026-05-01 07:19:05Z` */
function second(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
