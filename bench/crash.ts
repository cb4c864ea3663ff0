// `npm run crash`: kills the server under load, again and again, and proves that nothing acknowledged was lost.
//
//   npm run crash -- --rounds 20 --seed 7 --json crash.json
//
// Publishers note an id only after the 202, hooks note what arrives; at the end both are held against each other and
// against the store. Exit code 1 when something was lost, came twice without a crash to explain it, or is not on record.
// It ends with the hook that never answers: what the healthy hooks notice of it (`--no-hang` leaves that out).

import { writeFileSync } from 'node:fs';
import { endAfter } from './cleanup.ts';
import { CrashLoop, type Round } from './crash-loop.ts';
import { HANGING_HOOK_WORLD, measureHangingHook } from './hanging-hook.ts';
import { HOOKS } from './hooks.ts';
import { describeMachine, machineText } from './machine.ts';
import { problemsOf, type Report, reconcile } from './reconcile.ts';
import { closeWorkbench, openWorkbench } from './row.ts';
import { readStoreFile, type StoreContents } from './store-file.ts';
import { columns, figure } from './table.ts';
import { flagsOf, refuse } from './usage.ts';

const SECONDS_A_ROUND = 25;
const SECONDS_BESIDES = 300;
const HANG_SECONDS = 8;

const usage = `Usage: npm run crash -- [options]

Options:
  --rounds N     how often the server is killed (20)
  --seed N       repeats what another run did (default: chosen and printed)
  --json FILE    the counts as JSON too
  --no-hang      without the hook that never answers, at the end
  --help         this text

The exit code is 1 when something was lost, came twice unexplained, or is not on record.`;

const values = flagsOf(
  {
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string' },
      json: { type: 'string' },
      hang: { type: 'boolean', default: true },
    },
  },
  usage,
);
const rounds = Number(values.rounds);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
if (!Number.isInteger(rounds) || rounds < 1)
  refuse(`--rounds "${values.rounds}" is not a number from 1 on.`, usage);
if (!Number.isInteger(seed)) refuse(`--seed "${values.seed}" is not a whole number.`, usage);
endAfter(SECONDS_A_ROUND * rounds + SECONDS_BESIDES);

const machine = describeMachine();
console.log(`${machineText(machine)}\n${rounds} rounds, --seed ${seed}\n`);
const loop = new CrashLoop(seed);
await loop.begin();
for (let number = 1; number <= rounds; number++) console.log(roundText(await loop.round(number)));
const { restAfterMs, exitCode } = await loop.finish();

const store = readStoreFile(loop.folder.dataFile);
const { ledger, lives, hooks } = loop;
const report = reconcile({
  hooks: HOOKS,
  lives,
  acknowledged: ledger.acknowledged,
  keyed: ledger.keyed,
  hits: hooks.hits,
  attempts: store.attempts,
});
const problems = [...problemsOf(report), ...problemsOfStore(store)];
if (restAfterMs === null) problems.push('deliveries did not come to rest within a minute');
if (exitCode !== 0) problems.push(`the server ended with ${exitCode ?? 'a kill'} when told to stop`);
console.log(`\n${summaryText(report, store)}`);
for (const problem of problems) console.log(`FAULT: ${problem}`);
console.log(problems.length === 0 ? 'All is as promised.' : `Repeat with --rounds ${rounds} --seed ${seed}.`);
if (problems.length > 0) console.log(`The end of the server's log:\n${loop.folder.logEnd()}`);
loop.folder.remove();

const hanging = values.hang ? await hangingHook() : null;
if (values.json !== undefined) {
  const { attempts: _, ...contents } = store;
  const facts = { machine, seed, rounds: loop.rounds, report, store: contents, problems, hanging };
  writeFileSync(values.json, `${JSON.stringify(facts, null, 2)}\n`);
}
process.exitCode = problems.length === 0 ? 0 : 1;

function roundText({ number, killedAfterMs, readyAfterMs, acknowledged, hits, underWay }: Round): string {
  const ready =
    readyAfterMs === null ? 'while it started' : `ready after ${figure(Math.round(readyAfterMs))} ms`;
  return (
    `round ${String(number).padStart(String(rounds).length)}: killed ${figure(Math.round(killedAfterMs)).padStart(5)} ms after its start ` +
    `(${ready}); acknowledged ${figure(acknowledged)}, received ${figure(hits)}, being answered ${underWay}`
  );
}

function problemsOfStore({ integrity, deliveries, miscounted }: StoreContents): string[] {
  const problems: string[] = [];
  if (integrity !== 'ok') problems.push(`integrity_check: ${integrity}`);
  if (miscounted > 0) problems.push(`${miscounted} deliveries count other attempts than are on record`);
  for (const [state, count] of Object.entries(deliveries)) {
    if (state !== 'succeeded') problems.push(`${count} deliveries ended as ${state}`);
  }
  return problems;
}

function summaryText(report: Report, store: StoreContents): string {
  const pairs = report.acknowledged * HOOKS.length;
  const refused = [...ledger.refused].map(([status, count]) => `${count} x ${status}`).join(', ');
  return columns([
    ['messages offered', figure(ledger.offered), refused === '' ? '' : `other answers than 202: ${refused}`],
    ['acknowledged', figure(report.acknowledged), `in the store: ${figure(store.messages)}`],
    ['delivered', figure(pairs - report.lost), `of ${figure(pairs)}: each to ${HOOKS.join(', ')}`],
    ['lost', figure(report.lost), 'must be 0'],
    ['received, never acknowledged', figure(report.unacknowledged), 'may be: killed between commit and 202'],
    ['received more than once', figure(report.duplicates), 'after the hook had taken it, same webhook-id'],
    [
      '  a kill explains',
      figure(report.explained),
      `answered at most ${figure(Math.round(report.oldestExplainedMs))} ms before it`,
    ],
    ['  unexplained', figure(report.unexplained), 'must be 0'],
    [
      'twice under one key',
      figure(report.keyTwice),
      `must be 0, of ${figure(ledger.keyed.size)} with an idempotency key`,
    ],
    [
      'requests received',
      figure(report.hits),
      `wrong signature: ${report.unverified}; wrong body: ${report.mixedUp}`,
    ],
    [
      'attempts on record',
      figure(report.attemptsOnRecord),
      `that did not arrive: ${report.attemptsWithoutHit}`,
    ],
    [
      'received, not on record',
      figure(report.unrecorded),
      `lost in kills; without one to explain it: ${report.unrecordedUnexplained}`,
    ],
    [
      'integrity_check',
      store.integrity,
      restAfterMs === null ? '' : `at rest after ${figure(Math.round(restAfterMs))} ms`,
    ],
  ]);
}

async function hangingHook() {
  console.log(`\n${HANGING_HOOK_WORLD}`);
  const bench = await openWorkbench(false);
  const measured = await measureHangingHook(bench, HANG_SECONDS);
  await closeWorkbench(bench);
  const line = (name: string, at: typeof measured.with) => [
    name,
    figure(at.p50),
    figure(at.p99),
    figure(at['p99.9']),
  ];
  const head = ['healthy hooks, publish to arrival, ms', 'p50', 'p99', 'p99.9'];
  console.log(columns([head, line('without it', measured.without), line('with it', measured.with)]));
  return measured;
}
