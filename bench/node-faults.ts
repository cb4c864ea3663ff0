// `npm run crash:nodes`: three nodes on one PostgreSQL under load. One is killed, one is stopped for longer than its lease, and
// the database is restarted and crashed once, every node is replaced. Proves that nothing acknowledged was lost, that nothing
// came twice but what a node had under way that was killed or stopped, and says how long others took to take over.
//
//   npm run crash:nodes -- --seed 7 --json nodes.json
//
// Exit code 1 when something was lost, came twice unexplained, or arrived out of the order of an ordered hook.

import { writeFileSync } from 'node:fs';
import { startPostgres } from '../test/helpers/postgres-server.ts';
import { endAfter } from './cleanup.ts';
import { describeMachine, machineText } from './machine.ts';
import { type Fault, NodeFaults, ORDERED_HOOK } from './node-world.ts';
import type { Repeat } from './repeats.ts';
import { columns, figure } from './table.ts';
import { flagsOf, refuse } from './usage.ts';

const LONGEST_SECONDS = 600;
/** Longer than a lease lasts. */
const FROZEN_MS = 25_000;

const usage = `Usage: npm run crash:nodes -- [options]

Options:
  --seed N       repeats what another run did (default: chosen and printed)
  --json FILE    the figures as JSON too
  --help         this text

Takes about three minutes. The exit code is 1 when something was lost, came twice unexplained, or out of order.`;

const values = flagsOf({ options: { seed: { type: 'string' }, json: { type: 'string' } } }, usage);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
if (!Number.isInteger(seed)) refuse(`--seed "${values.seed}" is not a whole number.`, usage);
endAfter(LONGEST_SECONDS);

const machine = describeMachine();
const database = await startPostgres({ settings: ['fsync=on', 'full_page_writes=on'] });
const { rows } = await database.query('SHOW server_version');
console.log(`${machineText(machine)}\nPostgreSQL ${rows[0].server_version}, 3 nodes, --seed ${seed}\n`);

const world = new NodeFaults(seed, database);
const faults: Fault[] = [];
const { end, repeats } = await run().catch((error: unknown) => {
  console.log(world.logEnds());
  throw error;
});
const unexplained = repeats.filter(({ cause }) => cause === null);

const problems: string[] = [];
if (end.restAfterMs === null) problems.push('deliveries did not come to rest within two minutes');
if (end.lost > 0) problems.push(`${end.lost} acknowledged deliveries never arrived`);
if (end.outOfOrder > 0) problems.push(`${end.outOfOrder} arrivals at the ordered hook came out of order`);
if (end.unverified > 0) problems.push(`${end.unverified} requests had a wrong signature`);
if (end.keyTwice > 0) problems.push(`${end.keyTwice} publishes under a key became two messages`);
for (const repeat of unexplained) problems.push(`unexplained: ${repeatText(repeat)}`);
for (const code of end.exitCodes)
  if (code !== 0) problems.push(`a node ended with ${code ?? 'a kill'} when told to stop`);
console.log(
  `\n${columns([
    ['messages offered', figure(end.offered), `other answers than 202: ${end.refused || 'none'}`],
    ['acknowledged', figure(end.acknowledged), ''],
    [
      'deliveries of these',
      figure(end.pairs),
      `to the hooks prompt, slow, flaky; ${figure(end.orderedPairs)} to "${ORDERED_HOOK}"`,
    ],
    ['lost', figure(end.lost), 'must be 0'],
    ['received more than once', figure(repeats.length), repeatsText(repeats)],
    ['  unexplained', figure(unexplained.length), 'must be 0'],
    ['out of order', figure(end.outOfOrder), `must be 0, of ${figure(end.orderedPairs)}`],
    [
      'requests',
      figure(end.hits),
      `at rest after ${end.restAfterMs === null ? '-' : figure(Math.round(end.restAfterMs))} ms`,
    ],
  ])}`,
);
for (const problem of problems) console.log(`FAULT: ${problem}`);
console.log(problems.length === 0 ? 'All is as promised.' : `Repeat with --seed ${seed}.`);
if (problems.length > 0) console.log(world.logEnds());
world.remove();
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, seed, faults, end, repeats, problems }, null, 2)}\n`,
  );
process.exit(problems.length === 0 ? 0 : 1);

async function run() {
  const told = (fault: Fault) => {
    faults.push(fault);
    console.log(faultText(fault));
  };
  await world.begin();
  told(await world.kill(2));
  told(await world.freeze(1, FROZEN_MS));
  told(await world.restartDatabase('fast'));
  told(await world.restartDatabase('immediate'));
  told(await world.rollingRestart());
  const done = await world.finish();
  await database.dispose();
  return { end: done, repeats: world.repeats() };
}

function faultText({ name, waiting, takenOverMs, firstAnswerMs }: Fault): string {
  const parts = [
    takenOverMs === null
      ? `${figure(waiting)} acknowledged deliveries had not been taken`
      : `of ${figure(waiting)} acknowledged deliveries that had not been taken, the last was after ${figure(Math.round(takenOverMs))} ms`,
    ...(firstAnswerMs === null
      ? []
      : [`the first 202 came ${figure(Math.round(firstAnswerMs))} ms after it was back`]),
  ];
  return `${name}: ${parts.join('; ')}`;
}

/** How many each cause explains. */
function repeatsText(all: readonly Repeat[]): string {
  const counts = new Map<string, number>();
  for (const { cause } of all) if (cause !== null) counts.set(cause.name, (counts.get(cause.name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name}: ${figure(count)}`).join('; ');
}

function repeatText({ earlier, again }: Repeat): string {
  const ms = (at: number | null) => (at === null ? '-' : `${Math.round(at - world.startedAt)} ms`);
  return `${again.messageId} came to "${again.hook}" at ${ms(earlier.arrivedAt)}, was taken at ${ms(earlier.endedAt)}, and came again at ${ms(again.arrivedAt)}`;
}
