// `npm run bench`: how fast Posthorn is, each figure beside the bare limit measured in the same run.
//
//   npm run bench                      every row, 3 runs each
//   npm run bench -- --quick           one short run each, under a minute in all
//   npm run bench -- --rows a,b --runs 5 --json figures.json

import { writeFileSync } from 'node:fs';
import { backlog } from './backlog.ts';
import { bodies } from './bodies.ts';
import { endAfter } from './cleanup.ts';
import { fanOut } from './fan-out.ts';
import { growth } from './growth.ts';
import { hangingHook } from './hanging-hook.ts';
import { latency } from './latency.ts';
import { hugeLists, lists } from './lists.ts';
import { describeMachine, machineText } from './machine.ts';
import { neighbours } from './neighbours.ts';
import { nodeLatency, nodes } from './nodes.ts';
import { overload } from './overload.ts';
import { readingBeside } from './reading-beside.ts';
import { rooms, roomsOfCalls } from './rooms.ts';
import { closeWorkbench, measureRow, openWorkbench, type Row, type RowResult } from './row.ts';
import { searching } from './searching.ts';
import { cores } from './senders.ts';
import { tableText } from './table.ts';
import { burst, ordinary, pacedBatches, singles } from './throughput.ts';
import { flagsOf, refuse } from './usage.ts';

const rows: readonly Row[] = [
  pacedBatches,
  burst,
  ordinary,
  singles,
  fanOut,
  nodes,
  nodeLatency,
  latency,
  hangingHook,
  neighbours,
  lists,
  searching,
  growth,
  hugeLists,
  backlog,
  bodies,
  rooms,
  roomsOfCalls,
  overload,
  readingBeside,
  cores,
];
const SECONDS_A_RUN = 120;

const list = rows.map(({ id, title, target, notQuick }) => {
  const goal = target === '' ? '' : ` (target: ${target})`;
  const slow = notQuick === undefined ? '' : `; not with --quick: ${notQuick}`;
  return `  ${id.padEnd(4)}${title}${goal}${slow}`;
});
const usage = `Usage: npm run bench -- [options]

Options:
  --quick        one short run each, under a minute in all; says that it works, the figures are coarse
  --runs N       runs of each row (3; with --quick 1)
  --rows a,b     only these rows
  --json FILE    the figures as JSON too
  --help         this text

Rows:
${list.join('\n')}

A target is met or missed by the median. The exit code is 0 either way.`;

const values = flagsOf(
  {
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      rows: { type: 'string' },
      json: { type: 'string' },
    },
  },
  usage,
);
const runs = Number(values.runs ?? (values.quick ? 1 : 3));
const usual = rows.filter(({ notQuick }) => !values.quick || notQuick === undefined);
const wanted = values.rows?.split(',') ?? usual.map(({ id }) => id);
const unknown = wanted.filter((id) => !rows.some((row) => row.id === id));
if (unknown.length > 0) refuse(`There is no row "${unknown[0]}".`, usage);
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs "${values.runs}" is not a number from 1 on.`, usage);
const asked = rows.filter(({ id }) => wanted.includes(id));
endAfter(runs * asked.reduce((sum, { longestSeconds = SECONDS_A_RUN }) => sum + longestSeconds, 0));

const machine = describeMachine();
console.log(`${machineText(machine)}\n`);
const bench = await openWorkbench(values.quick);
const results: RowResult[] = [];
for (const { id, title, notQuick } of rows) {
  if (values.rows === undefined && notQuick !== undefined && !wanted.includes(id))
    console.error(`(${id}) ${title} is left out: ${notQuick}.`);
}
for (const row of asked) {
  results.push(await measureRow(row, bench, runs, (text) => console.error(text)));
}
await closeWorkbench(bench);

console.log(`\n${tableText(results)}`);
console.log(
  `\nMedian of ${runs} ${runs === 1 ? 'run' : 'runs'}. Server, receiver and load generator share this machine's cores.`,
);
if (values.json !== undefined) {
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine, runs, quick: values.quick, rows: results }, null, 2)}\n`,
  );
}
