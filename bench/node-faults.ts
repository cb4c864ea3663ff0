// `npm run crash:nodes`: three nodes on one PostgreSQL under load. One is killed, one is stopped for longer than its lease, and
// the database is restarted and crashed once. Proves that nothing acknowledged was lost, and says how often something
// came twice and how long others took to take over.
//
//   npm run crash:nodes -- --seed 7 --json nodes.json
//
// Exit code 1 when something was lost, or arrived out of the order of an ordered hook.

import { writeFileSync } from 'node:fs';
import { startPostgres } from '../test/helpers/postgres-server.ts';
import { endAfter } from './cleanup.ts';
import { describeMachine, machineText } from './machine.ts';
import { type Fault, NodeFaults, ORDERED_HOOK } from './node-world.ts';
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

Takes about three minutes. The exit code is 1 when something was lost, or came out of order.`;

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
const end = await world.finish();
await database.dispose();

const problems: string[] = [];
if (end.restAfterMs === null) problems.push('deliveries did not come to rest within two minutes');
if (end.lost > 0) problems.push(`${end.lost} acknowledged deliveries never arrived`);
if (end.outOfOrder > 0) problems.push(`${end.outOfOrder} arrivals at the ordered hook came out of order`);
if (end.unverified > 0) problems.push(`${end.unverified} requests had a wrong signature`);
if (end.keyTwice > 0) problems.push(`${end.keyTwice} publishes under a key became two messages`);
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
    ['received more than once', figure(end.duplicates), duplicatesText(faults)],
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
  writeFileSync(values.json, `${JSON.stringify({ machine, seed, faults, end, problems }, null, 2)}\n`);
process.exit(problems.length === 0 ? 0 : 1);

function faultText({ name, waiting, takenOverMs, duplicates, firstAnswerMs }: Fault): string {
  const parts = [
    takenOverMs === null
      ? `${figure(waiting)} acknowledged deliveries had not arrived`
      : `of ${figure(waiting)} acknowledged deliveries that had not arrived, the last did after ${figure(Math.round(takenOverMs))} ms`,
    `${figure(duplicates)} came twice`,
    ...(firstAnswerMs === null
      ? []
      : [`the first 202 came ${figure(Math.round(firstAnswerMs))} ms after it was back`]),
  ];
  return `${name}: ${parts.join('; ')}`;
}

function duplicatesText(all: readonly Fault[]): string {
  return all.map(({ name, duplicates }) => `${name}: ${duplicates}`).join('; ');
}
