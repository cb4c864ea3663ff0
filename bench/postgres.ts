// `npm run bench:postgres`: what PostgreSQL takes for what Posthorn does with it. The figures of docs/operating/ come from here.
//
//   npm run bench:postgres                               every part
//   npm run bench:postgres -- --parts cycle,bloat --json postgres.json
//   npm run bench:postgres -- --quick                    whether all of it works, in a minute

import { writeFileSync } from 'node:fs';
import { endAfter } from './cleanup.ts';
import { describeMachine, machineText } from './machine.ts';
import { postgresBatches } from './postgres-batches.ts';
import { postgresBloat } from './postgres-bloat.ts';
import { PostgresDatabase } from './postgres-database.ts';
import { postgresMoving } from './postgres-moving.ts';
import { postgresNode } from './postgres-node.ts';
import { type PostgresFigure, type PostgresPart, partText } from './postgres-part.ts';
import { postgresPartitions } from './postgres-partitions.ts';
import { postgresPublishers } from './postgres-publishers.ts';
import { flagsOf, refuse } from './usage.ts';

const parts: readonly PostgresPart[] = [
  postgresBatches,
  postgresBloat,
  postgresPartitions,
  postgresPublishers,
  postgresNode,
  postgresMoving,
];
const SECONDS_A_PART = 280;

const usage = `Usage: npm run bench:postgres -- [options]

Options:
  --quick        smaller and shorter, a minute in all: the figures say little
  --parts a,b    only these parts
  --json FILE    the figures as JSON too
  --help         this text

Parts:
${parts.map(({ id, title }) => `  ${id.padEnd(12)}${title}`).join('\n')}

Each part has a PostgreSQL of its own on this machine, with fsync. All of them take about eight minutes, and 6 GB where temporary files go.`;

const values = flagsOf(
  {
    options: {
      quick: { type: 'boolean', default: false },
      parts: { type: 'string' },
      json: { type: 'string' },
    },
  },
  usage,
);
const wanted = values.parts?.split(',') ?? parts.map(({ id }) => id);
const unknown = wanted.filter((id) => !parts.some((part) => part.id === id));
if (unknown.length > 0) refuse(`There is no part "${unknown[0]}".`, usage);
const asked = parts.filter(({ id }) => wanted.includes(id));
endAfter(asked.length * SECONDS_A_PART);

const machine = describeMachine();
const version = await PostgresDatabase.with((database) => database.version());
console.log(`${machineText(machine)}; PostgreSQL ${version}\n`);
const results: { id: string; figures: PostgresFigure[] }[] = [];
for (const part of asked) {
  const figures = await part.measure(values.quick);
  console.log(partText(part, figures));
  results.push({ id: part.id, figures });
}
console.log('PostgreSQL and all that uses it share the cores of this machine.');
if (values.json !== undefined) {
  const written = { machine, version, quick: values.quick, parts: results };
  writeFileSync(values.json, `${JSON.stringify(written, null, 2)}\n`);
}
