// `npm run bench`: how fast Posthorn is, each figure beside the bare limit measured in the same run.
//
//   npm run bench                      every row, 3 runs each
//   npm run bench -- --quick           one short run each, under a minute in all
//   npm run bench -- --rows a,b --runs 5 --json figures.json

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { endAfter } from './cleanup.ts';
import { hangingHook } from './hanging-hook.ts';
import { latency } from './latency.ts';
import { describeMachine, machineText } from './machine.ts';
import { closeWorkbench, measureRow, openWorkbench, type Row, type RowResult } from './row.ts';
import { tableText } from './table.ts';
import { burst, pacedBatches, singles } from './throughput.ts';

const rows: readonly Row[] = [pacedBatches, burst, singles, latency, hangingHook];
const SECONDS_A_RUN = 120;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    runs: { type: 'string' },
    rows: { type: 'string' },
    json: { type: 'string' },
  },
});
const runs = Number(values.runs ?? (values.quick ? 1 : 3));
const wanted = values.rows?.split(',') ?? rows.map(({ id }) => id);
const unknown = wanted.filter((id) => !rows.some((row) => row.id === id));
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    `Usage: npm run bench -- [--quick] [--runs N] [--rows ${rows.map(({ id }) => id).join(',')}] [--json FILE]`,
  );
  process.exit(2);
}
endAfter(SECONDS_A_RUN * runs * wanted.length);

const machine = describeMachine();
console.log(`${machineText(machine)}\n`);
const bench = await openWorkbench(values.quick);
const results: RowResult[] = [];
for (const row of rows.filter(({ id }) => wanted.includes(id))) {
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
