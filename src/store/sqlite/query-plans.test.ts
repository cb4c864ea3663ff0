import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applications } from './applications.ts';
import { attempts } from './attempts.ts';
import { type Connection, openConnection } from './connection.ts';
import { deliveries } from './deliveries.ts';
import { endpoints } from './endpoints.ts';
import { eventTypes } from './event-types.ts';
import { keys } from './keys.ts';
import { messages } from './messages.ts';
import { migrate } from './migrate.ts';
import { publishes } from './publishes.ts';
import { upkeep } from './upkeep.ts';

/** Tables that grow with what is sent: no statement reads one from end to end. */
const LARGE = ['message', 'delivery', 'attempt', 'idempotency'];

let folder: string;
let connection: Connection;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-plans-'));
  connection = openConnection(join(folder, 'posthorn.db'));
  migrate(connection);
});
afterEach(async () => {
  connection.close();
  await rm(folder, { recursive: true });
});

test('every statement on a large table goes through an index, and none sorts', () => {
  const plans = preparedStatements()
    .filter(isOnLargeTable)
    .map((sql) => ({ sql, plan: planOf(sql) }));
  expect(plans.length).toBeGreaterThan(20);
  for (const { sql, plan } of plans) {
    const bad = plan.filter((step) => isFullScan(step) || step.includes('TEMP B-TREE'));
    expect([sql, bad]).toEqual([sql, []]);
  }
});

test('what is due comes from the index of open work, in its order', () => {
  const due = preparedStatements().filter((sql) => sql.includes('ORDER BY d.next_attempt_at, d.message_key'));
  expect(due.map((sql) => planOf(sql))).toEqual([
    [
      'SEARCH d USING INDEX delivery_open (state=? AND endpoint_key=? AND next_attempt_at<?)',
      'SEARCH m USING INTEGER PRIMARY KEY (rowid=?)',
    ],
  ]);
});

test('counts, backlog and release do not leave the indexes of open work', () => {
  const open = preparedStatements().filter(
    (sql) => /count\(\*\)|min\(|SET state = 0.*fence < /.test(sql) && isOnLargeTable(sql),
  );
  expect(open.length).toBeGreaterThanOrEqual(5);
  for (const sql of open) expect(planOf(sql).join()).toMatch(/INDEX delivery_(open|held)/);
});

/** All SQL that the driver's rooms prepare. */
function preparedStatements(): string[] {
  const statements: string[] = [];
  const recording = new Proxy(connection, {
    get(target, name) {
      if (name !== 'prepare') return Reflect.get(target, name).bind(target);
      return (sql: string) => {
        statements.push(sql);
        return target.prepare(sql);
      };
    },
  });
  const rooms = [
    applications,
    endpoints,
    eventTypes,
    keys,
    messages,
    publishes,
    deliveries,
    attempts,
    upkeep,
  ];
  for (const room of rooms) room(recording);
  return statements.filter((sql) => !sql.startsWith('INSERT'));
}

function isOnLargeTable(sql: string): boolean {
  return new RegExp(`(FROM|UPDATE|JOIN) (${LARGE.join('|')})\\b`).test(sql);
}

function planOf(sql: string): string[] {
  const parameters: unknown[] = sql.includes('@') ? [Object.fromEntries(names(sql))] : positions(sql);
  const steps = connection.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[];
  return steps.map(({ detail }) => detail);
}

function names(sql: string): [string, number][] {
  return [...sql.matchAll(/@(\w+)/g)].map(([, name]) => [name as string, 1]);
}

function positions(sql: string): number[] {
  return [...sql.matchAll(/\?/g)].map(() => 1);
}

/** A SCAN of a table, or of an index that covers all rows; the two indexes of open work hold only open work. */
function isFullScan(step: string): boolean {
  return step.startsWith('SCAN ') && !/SCAN CONSTANT ROW|INDEX delivery_(open|held)/.test(step);
}
