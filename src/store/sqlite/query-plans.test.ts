import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { announcements } from './announcements.ts';
import { answers } from './answers.ts';
import { applications } from './applications.ts';
import { attempts } from './attempts.ts';
import { backlogCounts } from './backlog-counts.ts';
import { backlogs } from './backlogs.ts';
import { cancellations } from './cancellations.ts';
import { claims } from './claims.ts';
import { type Connection, openConnection } from './connection.ts';
import { deliveries } from './deliveries.ts';
import { endpoints } from './endpoints.ts';
import { eventTypes } from './event-types.ts';
import { failing } from './failing.ts';
import { hurries } from './hurries.ts';
import { keys } from './keys.ts';
import { leases } from './leases.ts';
import { messages } from './messages.ts';
import { migrate } from './migrate.ts';
import { nodes } from './nodes.ts';
import { payloads } from './payloads.ts';
import { publishes } from './publishes.ts';
import { records } from './records.ts';
import { resends } from './resends.ts';
import { retention } from './retention.ts';
import { sessions } from './sessions.ts';
import { tallies } from './tallies.ts';
import { tasks } from './tasks.ts';
import { upkeep } from './upkeep.ts';
import { withdrawals } from './withdrawals.ts';

/** Tables that grow with what is sent, or with the tenants: no statement reads one from end to end. */
const LARGE = [
  ...['message', 'delivery', 'attempt', 'resend', 'expiry', 'task', 'idempotency', 'answer'],
  ...['minute_tally', 'hour_tally'],
  ...['application', 'endpoint', 'api_key', 'console_session'],
];

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
  expect(plansOf('ORDER BY d.next_attempt_at, d.message_key')).toEqual([
    [
      'SEARCH d USING INDEX delivery_open (state=? AND endpoint_key=? AND next_attempt_at<?)',
      'SEARCH m USING INTEGER PRIMARY KEY (rowid=?)',
      // Behind the payload, which is not read where this says that it is too late.
      'SEARCH x USING COVERING INDEX message_expires_at (message_key=?) LEFT-JOIN',
    ],
  ]);
});

test('a lane without resends pays a glance, and one with some gets them from their index', () => {
  const glance = ['SCAN CONSTANT ROW', 'SCALAR SUBQUERY 1'];
  expect(plansOf('SELECT EXISTS (SELECT 1 FROM resend WHERE fence = 0')).toEqual([
    [...glance, 'SCAN resend USING COVERING INDEX resend_waiting'],
    [...glance, 'SEARCH resend USING COVERING INDEX resend_waiting (endpoint_key=?)'],
  ]);
  expect(plansOf('ORDER BY r.resend_key')).toEqual([
    [
      'SEARCH r USING INDEX resend_waiting (endpoint_key=?)',
      'SEARCH m USING INTEGER PRIMARY KEY (rowid=?)',
      'CORRELATED SCALAR SUBQUERY 1',
      'SEARCH d USING PRIMARY KEY (message_key=? AND endpoint_key=?)',
    ],
  ]);
});

test('counts, backlog and release do not leave the indexes of open work', () => {
  const open = preparedStatements().filter(
    (sql) =>
      /count\(\*\)|min\(|SET (state|fence) = 0.*fence < /.test(sql) &&
      /(FROM|UPDATE) (delivery|resend)/.test(sql),
  );
  const ofLists = open.filter((sql) => !/message_key = (m\.message_key|\?)/.test(sql));
  expect(ofLists.length).toBeGreaterThanOrEqual(12);
  for (const sql of ofLists) {
    expect(planOf(sql).join()).toMatch(/INDEX (delivery_(open|held|failed|waiting|turn)|resend_)/);
    if (sql.includes('count(*)') && sql.includes('delivery'))
      expect(planOf(sql).join()).toMatch('COVERING INDEX');
  }
});

test('filtered lists walk the index of the plain ones, and meet other rows by their keys', () => {
  const walks = {
    'm.application_key = @': 'SEARCH m USING INDEX message_id (application_key=? AND id>? AND id<?)',
    'a.message_key = @of ': 'SEARCH a USING INDEX attempt_by_message (message_key=? AND id>? AND id<?)',
    'a.endpoint_key = @of ': 'SEARCH a USING INDEX attempt_by_endpoint (endpoint_key=? AND id>? AND id<?)',
  };
  const byKey =
    /^SEARCH (d USING PRIMARY KEY|m USING INTEGER PRIMARY KEY|a USING (COVERING )?INDEX attempt_by_message)/;
  for (const [part, walk] of Object.entries(walks)) {
    const plans = plansOf(part, '@eventTypes', 'coalesce(@after');
    expect(plans).toHaveLength(2);
    for (const [first, ...others] of plans) {
      expect(first).toBe(walk);
      expect(others.filter((step) => step.startsWith('SEARCH') && !byKey.test(step))).toEqual([]);
    }
  }
});

test('payloads are found by their own time from an index, and by the usual time in the order of messages', () => {
  expect(plansOf('payload_until <= ?')).toEqual([
    ['SEARCH message USING INDEX message_payload_until (payload_until<?)'],
  ]);
  expect(plansOf('typeof(payload)').slice(0, 1)).toEqual([
    ['SEARCH message USING INTEGER PRIMARY KEY (rowid>?)'],
  ]);
});

test('lists without payloads read nothing that is stored behind them', () => {
  const plans = plansOf('NULL AS payload');
  expect(plans).toHaveLength(3);
  for (const plan of plans) {
    const others = plan.filter((step) => step.startsWith('SEARCH other'));
    expect(others).toEqual(
      ['deliver_at', 'expires_at', 'ordering_key'].map((name) =>
        expect.stringContaining(`SEARCH other USING COVERING INDEX message_${name} (message_key=?`),
      ),
    );
  }
});

test('a line is asked for by its key, and what waits is found without looking at what has its turn', () => {
  const [turns, first] = [plansOf('state IN (0, 1)', '@orderKey'), plansOf('LIMIT 1', '@orderKey')];
  for (const plan of turns)
    expect(plan).toEqual(['SEARCH delivery USING INDEX delivery_turn (endpoint_key=? AND order_key=?)']);
  for (const plan of first)
    expect(plan[0]).toMatch(
      /^SEARCH (d|delivery) USING INDEX delivery_line \(endpoint_key=\? AND order_key=\?\)$/,
    );
  expect(plansOf('AS messageId, d.state')[0]?.[0]).toMatch(
    'SEARCH d USING INDEX delivery_line (endpoint_key=? AND order_key=? AND message_key<?)',
  );
  expect([turns.length, first.length].every((count) => count > 0)).toBe(true);
  expect(plansOf('AS message_id FROM delivery')[0]?.[0]).toMatch(
    'SEARCH d USING INDEX delivery_line (endpoint_key=? AND order_key=? AND message_key<?)',
  );
  expect(plansOf('SELECT message_key FROM delivery', 'next_attempt_at IS NULL')).toEqual([
    ['SEARCH delivery USING COVERING INDEX delivery_waiting (endpoint_key=? AND next_attempt_at=?)'],
  ]);
});

test('tasks walk messages by their ids, and what is held by its endpoint', () => {
  const by = (walk: string[]) => walk[0];
  expect(plansOf('m.id >= @', '@eventTypes').map(by)).toEqual(
    Array(2).fill('SEARCH m USING INDEX message_id (application_key=? AND id>? AND id<?)'),
  );
  expect(plansOf('FROM delivery d JOIN message m', 'd.state = 4').map(by)).toEqual([
    'SEARCH d USING INDEX delivery_held (endpoint_key=? AND message_key>?)',
  ]);
});

test('tasks of one state are found among very many of another', () => {
  const plans = plansOf('SELECT * FROM task', 'application_key = @applicationKey AND state = @state');
  expect(plans.length).toBeGreaterThan(0);
  for (const [plan] of plans)
    expect(plan).toMatch(
      /SEARCH task USING INDEX task_application_state \(application_key=\? AND state=\? AND id/,
    );
});

test('a task looks up its like, and ended ones are found by their time', () => {
  expect(plansOf('AS ofApplication')).toEqual([
    ['SEARCH task USING COVERING INDEX task_running_of (application_key=?)'],
  ]);
  expect(plansOf('DELETE FROM task', 'updated_at')[0]).toContainEqual(
    expect.stringMatching(/SEARCH task USING (COVERING )?INDEX task_ended \(updated_at<\?\)/),
  );
});

/** The plans of the statements that have all of these parts. */
function plansOf(...parts: string[]): string[][] {
  return preparedStatements()
    .filter((sql) => parts.every((part) => sql.includes(part)))
    .map(planOf);
}

/** All SQL that the driver's rooms prepare, each text once. */
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
    sessions,
    messages,
    payloads,
    publishes,
    claims,
    leases,
    nodes,
    backlogs,
    backlogCounts,
    deliveries,
    cancellations,
    hurries,
    withdrawals,
    resends,
    records,
    attempts,
    tallies,
    tasks,
    announcements,
    failing,
    answers,
    retention,
    upkeep,
  ];
  for (const room of rooms) room(recording);
  return [...new Set(statements)].filter((sql) => !sql.startsWith('INSERT'));
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

/** A SCAN of a table, or of an index that covers all rows; the indexes of open work hold only open work. */
function isFullScan(step: string): boolean {
  const small =
    /SCAN (CONSTANT ROW|json_each|beginning|\(subquery|f$)|INDEX (delivery_(open|held|failed|waiting|turn)|resend_waiting|task_running)/;
  return step.startsWith('SCAN ') && !small.test(step);
}
