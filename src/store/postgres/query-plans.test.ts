import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everyNode, genericPlan, type Plan } from '../../../test/helpers/generic-plan.ts';
import { type TestDatabase, testDatabase } from '../../../test/helpers/postgres.ts';
import { systemClock } from '../../system/clock.ts';
import { openDatabase, STATEMENTS } from './connection.ts';
// All files of the driver, which make their statements when they are read.
import { openPostgresStore } from './open.ts';

/** Tables that grow with what is sent: no statement reads one from end to end. */
const LARGE = [
  ...['message', 'delivery', 'attempt', 'event_id', 'expiry', 'idempotency', 'minute_tally', 'hour_tally'],
  ...['staged_message', 'signal'],
];
/** Those that people and tenants fill. While they are small their plans may be any; that they grew is noticed soon enough. */
const SLOW = ['resend', 'task', 'answer', 'application', 'endpoint', 'api_key', 'console_session'];
/** Indexes of open work and of nothing else, which may be gone through: they hold what is left to do. */
const OPEN_WORK = /^(delivery_(pending|sending|held|failed|waiting)|resend_(waiting|leased)|task_running)$/;
/** Indexes in which a message is found by its key. In others that have the key all of an application is gone through for it. */
const BY_MESSAGE =
  /^(message_pkey|delivery_pkey|attempt_by_message|expiry_pkey|resend_(of|message)|event_id_message)$/;

/** Plans are made while tables are empty, and used when they are full; or made anew then. */
describe.each([
  { state: 'while nothing is there', tables: LARGE },
  { state: 'after an empty store was analyzed', tables: LARGE, prepare: 'VACUUM ANALYZE' },
  { state: 'with messages of many applications', tables: [...LARGE, ...SLOW], applications: 400 },
  { state: 'with messages of one application', tables: LARGE, applications: 1 },
])('$state', ({ tables, prepare, applications }) => {
  let database: TestDatabase;
  let client: pg.Client;
  /** The indexes of partitions, by what they are called on the partitioned table. */
  let indexes: Map<string, string>;

  beforeAll(async () => {
    database = await testDatabase();
    const store = await openPostgresStore({ url: database.url, clock: systemClock });
    await store.close();
    if (prepare !== undefined) await database.query(prepare);
    if (applications !== undefined) await fill(database, applications);
    const db = openDatabase(database.url);
    client = await db.connect();
    await db.close();
    const { rows } = await client.query<{ part: string; whole: string }>(
      `SELECT part.relname AS part, whole.relname AS whole FROM pg_inherits
       JOIN pg_class part ON part.oid = inhrelid JOIN pg_class whole ON whole.oid = inhparent WHERE part.relkind = 'i'`,
    );
    indexes = new Map(rows.map(({ part, whole }) => [part, whole]));
  });
  afterAll(async () => {
    await client?.end();
    await database?.dispose();
  });

  test('every statement on a large table goes through the index that is meant for it', async () => {
    const statements = [...STATEMENTS.values()].filter(({ text }) => isOn(tables, text));
    expect(statements.length).toBeGreaterThan(20);
    const bad: Record<string, string[]> = {};
    for (const { text } of statements) {
      const mistakes = judge(await genericPlan(client, text));
      if (mistakes.length > 0) bad[text] = [...new Set(mistakes)];
    }
    expect(bad).toEqual({});
  });

  function judge(plan: Plan, parent: Plan | null = null): string[] {
    const above = plan['Node Type'] === 'LockRows' ? parent : plan;
    const below = (plan.Plans ?? []).flatMap((each) => judge(each, above));
    return [...judgeScan(plan, parent), ...judgeOther(plan), ...below];
  }

  function judgeScan(node: Plan, parent: Plan | null): string[] {
    const table = tableOf(node);
    if (table === null || !tables.includes(table)) return [];
    if (node['Node Type'] === 'Seq Scan') return [`goes through ${table}`];
    if (!node['Node Type'].startsWith('Index')) return [];
    const index = indexes.get(node['Index Name'] as string) ?? (node['Index Name'] as string);
    const condition = node['Index Cond'];
    // What is asked for beside the index; within CASE it is of rows that are looked at anyway.
    const filter = (node.Filter ?? '').replace(/CASE.*END/s, '');
    const isFirst = parent?.['Node Type'] === 'Limit' && filter === '';
    if (condition === undefined && !OPEN_WORK.test(index) && !isFirst) return [`goes through ${index}`];
    const sought = /\b(message_key|id) = [^)]*/.exec(filter)?.[0];
    if (sought !== undefined) return [`${index} is not meant for ${sought}`];
    const byMessage = /\bmessage_key = [^)]*/.exec(condition ?? '')?.[0];
    return byMessage === undefined || BY_MESSAGE.test(index)
      ? []
      : [`${index} is not meant for ${byMessage}`];
  }

  function judgeOther(node: Plan): string[] {
    const type = node['Node Type'];
    const bad: string[] = [];
    if (/Hash Join|Merge Join|Materialize|Memoize/.test(type)) bad.push(type);
    const { Plans, ...own } = node;
    if (JSON.stringify(own).includes('hashed SubPlan')) bad.push('a hashed subplan');
    // Rows that a key leads to are looked for among all.
    const join = node['Join Filter'] ?? '';
    const isOfMany =
      /message_key = |id = /.test(join) || (Plans?.[1] !== undefined && isOf(Plans[1], tables));
    if (/_key = /.test(join) && isOfMany) bad.push(`joins by ${join}`);
    if (type === 'Sort' && !everyNode(node).every(isBounded)) bad.push('sorts');
    return bad;
  }

  function isOf(plan: Plan, names: readonly string[]): boolean {
    return everyNode(plan).some((node) => names.includes(tableOf(node) ?? ''));
  }

  function tableOf(node: Plan): string | null {
    return node['Relation Name']?.replace(/_\d+$/, '') ?? null;
  }

  /** It reads rows by their keys, and no list of them. */
  function isBounded(node: Plan): boolean {
    if (!LARGE.includes(tableOf(node) ?? '')) return true;
    const condition = node['Index Cond'] ?? node['Recheck Cond'] ?? '';
    return /(message_key|\bx?id|_hash|endpoint_key|resend_key) = |xid >= /.test(condition);
  }
});

function isOn(tables: readonly string[], sql: string): boolean {
  return new RegExp(`(FROM|UPDATE|JOIN|USING|,) posthorn\\.(${tables.join('|')})\\b`).test(sql);
}

/** Thousands of rows in every table, in two partitions; the last one stays empty, as the one ahead does. */
async function fill(database: TestDatabase, applications: number): Promise<void> {
  const endpoints = Math.ceil(2_000 / applications);
  await database.query(`
    INSERT INTO posthorn.application (application_key, id, number, name, metadata, created_at, updated_at)
      SELECT a, 'app_' || a, a, 'x', '{}', 0, 0 FROM generate_series(1, ${applications}) a;
    INSERT INTO posthorn.endpoint (endpoint_key, application_key, id, web_hook_id, url, href, description, disabled, metadata,
        sealed_secret, created_at, updated_at)
      SELECT a * ${endpoints} + e, a, 'ep_' || (a * ${endpoints} + e), a || ' ' || e, '', '', '', 0, '{}', '', 0, 0
      FROM generate_series(1, ${applications}) a, generate_series(0, ${endpoints - 1}) e;
    INSERT INTO posthorn.api_key (id, name, hash, application_key, created_at)
      SELECT 'key_' || i, '', sha256(i::text::bytea), 1 + i % ${applications}, i FROM generate_series(1, 2000) i;
    INSERT INTO posthorn.console_session (id, key_id, application_key, hash, state, created_at, expires_at)
      SELECT 'sess_' || i, 'key_' || i, 1 + i % ${applications}, sha256(i::text::bytea), 'open', i, i FROM generate_series(1, 2000) i;
    INSERT INTO posthorn.task (id, kind, application_key, source_key, target_key, filter, from_id, to_id, position, rate, state,
        created_at, updated_at)
      SELECT 'task_' || i, 'replay', 1 + i % ${applications}, i, i, '{}', '', '', '', 1,
        CASE WHEN i % 100 = 0 THEN 'running' ELSE 'finished' END, i, i FROM generate_series(1, 2000) i;
    INSERT INTO posthorn.resend (application_key, message_key, endpoint_key, created_at, fence)
      SELECT 1 + i % ${applications}, i, (1 + i % ${applications}) * ${endpoints}, i, i % 2 FROM generate_series(1, 2000) i;
    INSERT INTO posthorn.event_id (application_key, event_id, message_key)
      SELECT 1 + i % ${applications}, i, i FROM generate_series(1, 5000) i;
    INSERT INTO posthorn.expiry (expires_at, application_key, message_key)
      SELECT i, 1 + i % ${applications}, i FROM generate_series(1, 5000) i;
    INSERT INTO posthorn.idempotency (key_hash, body_hash, message_ids, created_at)
      SELECT sha256(i::text::bytea), '', '', i FROM generate_series(1, 5000) i;
    INSERT INTO posthorn.minute_tally (began_at, application_key, endpoint_key, writer)
      SELECT i / 1000 * 60000, i % ${applications}, i % 1000, 1 FROM generate_series(1, 9000) i;
    INSERT INTO posthorn.hour_tally (began_at, application_key, endpoint_key)
      SELECT i / 1000 * 3600000, i % ${applications}, i % 1000 FROM generate_series(1, 9000) i;
    INSERT INTO posthorn.signal (xid, epoch, body) SELECT i::text::xid8, 0, '[]' FROM generate_series(1, 5000) i;
    INSERT INTO posthorn.answer (key_hash, body_hash, sealed, created_at)
      SELECT sha256(i::text::bytea), '', '', i FROM generate_series(1, 5000) i`);
  for (const partition of [0, 1]) await fillPartition(database, partition, applications, endpoints);
  await database.query('VACUUM ANALYZE');
}

async function fillPartition(
  database: TestDatabase,
  partition: number,
  applications: number,
  endpoints: number,
) {
  const key = `((${partition}::bigint << 30) + i)`;
  const application = `(1 + i % ${applications})`;
  const id = `lpad((${partition} * 100000 + i)::text, 20, '0')`;
  await database.query(`
    INSERT INTO posthorn.message (message_key, application_key, id, event_type, channels, tags, payload, created_at)
      SELECT ${key}, ${application}, 'msg_' || ${id}, 'a.b', '["x"]', '["y"]', '{}', ${key} FROM generate_series(1, 5000) i;
    INSERT INTO posthorn.delivery (application_key, message_key, endpoint_key, next_attempt_at, fence, attempt_count, state, order_key)
      SELECT ${application}, ${key}, ${application} * ${endpoints} + e, CASE WHEN i % 50 < 2 THEN i END, 0, 1,
        CASE i % 50 WHEN 0 THEN 0 WHEN 1 THEN 1 WHEN 2 THEN 4 WHEN 3 THEN 3 ELSE 2 END, CASE WHEN e = 0 THEN '' END
      FROM generate_series(1, 5000) i, generate_series(0, 4) e;
    INSERT INTO posthorn.attempt (application_key, message_key, endpoint_key, started_at, duration_ms, number, status, id, trigger, url, body)
      SELECT ${application}, ${key}, ${application} * ${endpoints} + e, 1, 1, 1, 200, 'atmpt_' || ${id} || e, 'scheduled', '', 'ok'
      FROM generate_series(1, 5000) i, generate_series(0, 4) e`);
}
