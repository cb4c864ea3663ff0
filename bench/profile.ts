import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `node --cpu-prof` writes, a file for each thread; the fields that are read here. */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  /** In us of the monotonic clock, as are those of the samples, each told from the one before. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  /** Samples of the whole profile by line, counted from 1. */
  readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[];
  readonly children?: readonly number[];
}

export interface RoomTime {
  readonly room: string;
  readonly ms: number;
}

const IDLE = 'idle';
/** What Node.js and packages do that nothing of Posthorn called: they read from sockets, and write what was queued. */
const UNCALLED = { undici: 'undici, from the event loop', node: 'Node.js, from the event loop' };
const NATIVE = {
  commit: 'SQLite, begin and commit',
  statements: 'SQLite, statements',
  program: 'outside JavaScript',
  gc: 'garbage collection',
};
/** These have no part in serving. */
const NOT_SERVING = ['cli', 'library', 'catalogue'];
const WIRING = 'wiring';
/** SQLite is no function of its own in a profile: what it does counts for the line that calls it. */
const STATEMENT_CALL = /\.(run|get|all|exec)\(/;

/** Rooms of `src`, and what else a sample can be in, in the order of the table. */
const roomNames: readonly string[] = [
  ...readdirSync(join(import.meta.dirname, '../src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NOT_SERVING.includes(entry.name))
    .map(({ name }) => name)
    .sort(),
  WIRING,
  NATIVE.commit,
  NATIVE.statements,
  ...['main', 'sending'].flatMap((thread) =>
    [UNCALLED.undici, UNCALLED.node, NATIVE.gc, NATIVE.program].map((name) => onThread(name, thread)),
  ),
];

/**
 * The time that all threads together spent in each room between two times of the monotonic clock (ms), from the profiles in a
 * folder. A sample counts for the room that its function's file is in, one of Node.js or a package for the nearest room that called it.
 */
export function roomTimes(folder: string, from: number, to: number): readonly RoomTime[] {
  const times = new Map(roomNames.map((name) => [name, 0]));
  for (const file of readdirSync(folder)) {
    // CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile
    const thread = Number(file.split('.')[4]) === 0 ? 'main' : 'sending';
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    for (const [room, ms] of timesOf(profile, from, to)) {
      if (room === IDLE) continue;
      const name = times.has(room) ? room : onThread(room, thread);
      times.set(times.has(name) ? name : WIRING, (times.get(name) ?? 0) + ms);
    }
  }
  return [...times].map(([room, ms]) => ({ room, ms }));
}

function onThread(name: string, thread: string): string {
  return `${name}, ${thread} thread`;
}

function timesOf(profile: Profile, from: number, to: number): Map<string, number> {
  const rooms = roomsOf(profile.nodes);
  const inSqlite = new Map(profile.nodes.map((node) => [node.id, statementShare(node)]));
  const times = new Map<string, number>();
  const add = (room: string, ms: number) => times.set(room, (times.get(room) ?? 0) + ms);
  let at = profile.startTime;
  profile.samples.forEach((node, index) => {
    at += profile.timeDeltas[index] ?? 0;
    if (at < from * 1000 || at > to * 1000) return;
    // A sample stands for the time until the next one.
    const ms = Math.max(0, profile.timeDeltas[index + 1] ?? 0) / 1000;
    const statements = inSqlite.get(node) ?? 0;
    add(NATIVE.statements, ms * statements);
    add(rooms.get(node) ?? IDLE, ms * (1 - statements));
  });
  return times;
}

/** The room of each node, by its id: parents come before their children, so that a child can take over its parent's. */
function roomsOf(nodes: readonly ProfileNode[]): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const rooms = new Map<number, string>();
  const walk = (node: ProfileNode, parentRoom: string | null) => {
    const room = roomOf(node) ?? called(node, parentRoom);
    if (room !== null) rooms.set(node.id, room);
    for (const id of node.children ?? []) walk(byId.get(id) as ProfileNode, room);
  };
  const [root] = nodes;
  if (root !== undefined) walk(root, null);
  return rooms;
}

/** Null: that of its caller. */
function roomOf({ callFrame }: ProfileNode): string | null {
  const { functionName, url } = callFrame;
  if (functionName === '(idle)') return IDLE;
  if (functionName === '(garbage collector)') return NATIVE.gc;
  if (functionName === '(program)') return NATIVE.program;
  if (url.includes('/better-sqlite3/')) return NATIVE.commit;
  if (url.includes('/node_modules/')) return null;
  const start = url.lastIndexOf('/src/');
  if (start < 0) return null;
  const [folder, ...rest] = url.slice(start + '/src/'.length).split('/');
  return rest.length === 0 || folder === undefined ? WIRING : folder;
}

/** How much of a function's own time SQLite takes, by the lines that samples of it are on. */
function statementShare({ callFrame: { url }, positionTicks = [] }: ProfileNode): number {
  if (!url.includes('/src/store/sqlite/')) return 0;
  const lines = linesOf(url);
  let [all, calls] = [0, 0];
  for (const { line, ticks } of positionTicks) {
    all += ticks;
    if (STATEMENT_CALL.test(lines[line - 1] ?? '')) calls += ticks;
  }
  return all === 0 ? 0 : calls / all;
}

const files = new Map<string, readonly string[]>();

function linesOf(url: string): readonly string[] {
  const lines = files.get(url) ?? readFileSync(fileURLToPath(url), 'utf8').split('\n');
  files.set(url, lines);
  return lines;
}

/** The event loop calls Node.js, and that calls undici. */
function called({ callFrame: { url, functionName } }: ProfileNode, by: string | null): string | null {
  if (functionName === '(root)') return null;
  if (by !== null && by !== UNCALLED.node) return by;
  return url.includes('/undici/') ? UNCALLED.undici : UNCALLED.node;
}
