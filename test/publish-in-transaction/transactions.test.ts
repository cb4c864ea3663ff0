import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/index.ts';
import { refusal, Scene } from './scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.end());

const NOTHING = { message: 0, delivery: 0, event_id: 0, expiry: 0, staged_message: 0 };
const event = { eventType: 'ticket.created', payload: { n: 1 } };

/** Publishes as a person does it in psql. */
function publishSql(client: Pick<pg.Client, 'query'>, uid: string, more = '') {
  return client.query(`SELECT posthorn.publish('${uid}', 'ticket.created', '{"n":1}'${more}) AS id`);
}

/** Listens. Returns what asks what was notified by now: until a marker, which is sent then. */
async function listening(): Promise<() => Promise<(string | undefined)[]>> {
  const listener = await scene.client();
  const heard: (string | undefined)[] = [];
  const marked = new Promise<void>((resolve) => {
    listener.on('notification', ({ payload }) => {
      if (payload === 'marker') resolve();
      else heard.push(payload);
    });
  });
  await listener.query('LISTEN posthorn');
  return async () => {
    await scene.rows("SELECT pg_notify('posthorn', 'marker')");
    await marked;
    return heard;
  };
}

describe('a transaction', () => {
  it('that is rolled back leaves nothing, and tells nobody', async () => {
    const { uid } = await scene.company({}, { ordering: 'endpoint' });
    const notified = await listening();
    const client = await scene.client();
    await client.query('BEGIN');
    await publishSql(client, uid);
    await publishSql(client, uid, ", event_id => 'e', expires_at => now() + interval '1 hour'");
    await client.query('ROLLBACK');
    expect(await notified()).toEqual([]);
    expect(await scene.leftovers()).toEqual(NOTHING);
    expect(await scene.rows('SELECT * FROM posthorn.signal WHERE epoch = 0')).toEqual([]);
    // What it named is free again.
    await publishSql(client, uid, ", event_id => 'e'");
  });

  it('that commits notifies once, of all that it published', async () => {
    const { uid, endpoints } = await scene.company({}, {}, { disabled: true });
    const notified = await listening();
    const client = await scene.client();
    await client.query('BEGIN');
    for (let n = 0; n < 5; n++) await publishSql(client, uid);
    expect(await scene.leftovers()).toEqual(NOTHING);
    await client.query('COMMIT');
    expect(await notified()).toEqual(['0']);
    expect(await scene.leftovers()).toEqual({ ...NOTHING, message: 5, delivery: 15 });
    const signals = await scene.rows<{ body: string }>('SELECT body FROM posthorn.signal WHERE epoch = 0');
    expect(signals.map(({ body }) => JSON.parse(body))).toEqual([
      [
        {
          kind: 'stored',
          endpoints: [endpoints[0], endpoints[1]].map((each) => ({
            endpointKey: each?.key,
            dueAt: expect.any(Number),
          })),
        },
      ],
    ]);
  });

  it('that goes back to a savepoint loses what came after it', async () => {
    const { uid } = await scene.company({});
    const client = await scene.client();
    await client.query('BEGIN');
    const before = await publish({ application: uid, ...event, eventId: 'a' }, { client });
    await client.query('SAVEPOINT s');
    await publish({ application: uid, ...event, eventId: 'b' }, { client });
    await client.query('ROLLBACK TO s');
    expect(await refusal(publish({ application: uid, ...event, eventId: 'a' }, { client }))).toBe('conflict');
    await client.query('ROLLBACK TO s');
    const after = await publish({ application: uid, ...event, eventId: 'b' }, { client });
    await client.query('COMMIT');
    expect(await scene.messageIds()).toEqual([before.id, after.id]);
    expect(await scene.leftovers()).toMatchObject({ event_id: 2, delivery: 2, staged_message: 0 });
  });

  it('may have its constraints checked at once, and even so publishes what it commits', async () => {
    const { application, uid } = await scene.company({}, { ordering: 'endpoint' });
    const client = await scene.client();
    await client.query('BEGIN; SET CONSTRAINTS ALL IMMEDIATE');
    const ids = [];
    for (const eventId of ['a', 'b'])
      ids.push((await publish({ application: uid, ...event, eventId }, { client })).id);
    const { rows } = await client.query(
      'SELECT id FROM posthorn.message WHERE id = ANY($1) ORDER BY message_key',
      [ids],
    );
    expect(rows.map(({ id }) => id)).toEqual(ids);
    await client.query('COMMIT');
    const timed = (await scene.deliveries(application)).map((of) => of.map((row) => row.timed));
    expect(timed).toEqual([
      [true, true],
      [true, false],
    ]);
  });

  it('cannot publish while no trigger runs', async () => {
    const { uid } = await scene.company({});
    const client = await scene.client();
    await client.query('SET session_replication_role = replica');
    await expect(publish({ application: uid, ...event }, { client })).rejects.toMatchObject({
      code: 'unsupported',
    });
  });

  it('publishes thousands of messages', async () => {
    const { application, uid } = await scene.company({}, { ordering: 'key' });
    await scene.rows(
      `SELECT posthorn.publish($1, 'ticket.created', json_build_object('n', n), ordering_key => (n % 7)::text)
       FROM generate_series(1, 3000) AS n`,
      [uid],
    );
    const payloads = await scene.rows<{ payload: string }>(
      'SELECT payload FROM posthorn.message WHERE application_key > 0 ORDER BY message_key',
    );
    expect(payloads.map(({ payload }) => JSON.parse(payload).n)).toEqual(
      Array.from({ length: 3000 }, (_, n) => n + 1),
    );
    const [deliveries] = await scene.rows(
      `SELECT count(*)::int AS all, (count(*) FILTER (WHERE order_key IS NOT NULL AND next_attempt_at IS NOT NULL))::int AS turns
       FROM posthorn.delivery WHERE application_key = $1`,
      [application.key],
    );
    expect(deliveries).toEqual({ all: 6000, turns: 7 });
  });
});

describe('an event id', () => {
  const named = (uid: string, eventId = 'e') => ({ application: uid, ...event, eventId });
  const conflict = {
    code: 'conflict',
    field: 'eventId',
    message: 'A message with the eventId "e" already exists.',
  };

  it('is taken once, by whichever way it comes', async () => {
    const { application, uid } = await scene.company();
    const other = await scene.company();
    const client = await scene.client();
    await publish(named(uid), { client });
    await expect(publish(named(uid), { client })).rejects.toMatchObject({ ...conflict, sqlState: '23505' });
    await publish(named(other.uid), { client });
    const http = (eventId: string) =>
      scene.given.accept({
        publishes: [scene.given.publish(application.key, scene.given.message({ eventId }))],
        fence: scene.given.fence(),
        now: Date.now(),
      });
    expect(await http('e')).toEqual([{ kind: 'event_id_taken', eventId: 'e' }]);
    expect(await http('f')).toMatchObject([{ kind: 'accepted' }]);
    await expect(publish(named(uid, 'f'), { client })).rejects.toMatchObject({ code: 'conflict' });
    expect(await scene.given.store.messageFind({ applicationKey: application.key, ref: 'e' })).not.toBeNull();
  });

  it('of two transactions goes to the one that commits; the other one waits for that', async () => {
    const { uid } = await scene.company();
    const [one, other] = [await scene.client(), await scene.client()];
    for (const end of ['ROLLBACK', 'COMMIT']) {
      for (const client of [one, other]) await client.query('BEGIN');
      await publish(named(uid), { client: one });
      const second = refusal(publish(named(uid), { client: other }));
      await waitsForLock(other);
      await one.query(end);
      expect(await second).toBe(end === 'COMMIT' ? 'conflict' : 'none');
      // It can be caught there.
      await other.query('ROLLBACK');
    }
    expect(await scene.leftovers()).toMatchObject({ message: 1, event_id: 1 });
  });

  it('that is published through HTTP meanwhile fails the commit; nobody waits for the transaction', async () => {
    const { application, uid } = await scene.company();
    const client = await scene.client();
    await client.query('BEGIN');
    await publish(named(uid), { client });
    const message = scene.given.message({ eventId: 'e' });
    const publishes = [scene.given.publish(application.key, message)];
    const accepted = await scene.given.accept({ publishes, fence: scene.given.fence(), now: Date.now() });
    expect(accepted).toMatchObject([{ kind: 'accepted' }]);
    expect(await refusal(client.query('COMMIT'))).toBe('23505');
    expect(await scene.messageIds()).toEqual([message.id]);
  });
});

describe('an endpoint', () => {
  it('is as it is at the commit, and can be changed until then', async () => {
    const { application, uid, endpoints } = await scene.company({}, {}, {});
    const [disabled, deleted, kept] = endpoints.map(({ key }) => key) as [number, number, number];
    const client = await scene.client();
    await client.query('BEGIN');
    await publishSql(client, uid);
    const of = (endpointKey: number) => ({ applicationKey: application.key, endpointKey, now: 1 });
    const { store } = scene.given;
    await store.endpointUpdate({ ...of(disabled), changes: { disabled: true, disabledReason: 'manual' } });
    await store.endpointDelete(of(deleted));
    const added = (await scene.given.endpoint(application.key, { ordering: 'endpoint', pausedAt: 1 })).key;
    await client.query('COMMIT');
    expect(await scene.deliveries(application)).toEqual([
      [
        { endpointKey: disabled, state: 4, reason: 'endpoint_disabled', orderKey: null, timed: false },
        { endpointKey: kept, state: 0, reason: null, orderKey: null, timed: true },
        { endpointKey: added, state: 4, reason: 'endpoint_paused', orderKey: '', timed: false },
      ],
    ]);
  });

  it('is not changed between the look at it and the end of the commit', async () => {
    const { application, uid } = await scene.company({});
    const client = await scene.client();
    const change = `SET LOCAL lock_timeout = 1; UPDATE posthorn.application SET revision = revision + 1 WHERE application_key = ${application.key}`;
    await client.query('BEGIN');
    await publishSql(client, uid);
    expect(await refusal(scene.observer.query(change))).toBe('none');
    // As the commit begins with it.
    await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    expect(await refusal(scene.observer.query(change))).toBe('55P03');
    // A change does not wait for long, as all who publish would wait behind it.
    const { store } = scene.given;
    const renamed = { applicationKey: application.key, now: 1, changes: { name: 'Other' } };
    const begin = performance.now();
    await expect(store.applicationUpdate(renamed)).rejects.toMatchObject({ code: 'unavailable' });
    expect(performance.now() - begin).toBeLessThan(4_000);
    await client.query('COMMIT');
    expect(await store.applicationUpdate(renamed)).toMatchObject({ name: 'Other' });
  });

  it('goes with its application: what was published before has nobody to go to', async () => {
    const { application, uid } = await scene.company({});
    const client = await scene.client();
    await client.query('BEGIN');
    await publishSql(client, uid);
    await scene.given.store.applicationDelete({ applicationKey: application.key, now: 1 });
    await client.query('COMMIT');
    expect(await scene.deliveries(application)).toEqual([[]]);
    expect(await refusal(publishSql(client, uid))).toBe('P0002');
  });
});

describe('a line', () => {
  const ordered = { ordering: 'endpoint' } as const;

  it('is in the order of commits, and nobody waits for a transaction', async () => {
    const { application, uid, endpoints } = await scene.company(ordered);
    const late = await scene.client();
    await late.query('BEGIN');
    const last = await publish({ application: uid, ...event }, { client: late });
    const early = await scene.client();
    const first = await publish({ application: uid, ...event }, { client: early });
    const pending = { endpointKey: endpoints[0]?.key as number, state: 'pending', orderKey: '' } as const;
    const through = scene.given.message({ deliveries: [pending] });
    const publishes = [scene.given.publish(application.key, through)];
    await scene.given.accept({ publishes, fence: scene.given.fence(), now: Date.now() });
    await late.query('COMMIT');
    expect(await scene.messageIds()).toEqual([first.id, through.id, last.id]);
    const timed = (await scene.deliveries(application)).flat().map((row) => row.timed);
    expect(timed).toEqual([true, false, false]);
  });

  it('stops no transaction, however many publish into it at once, and has one turn in the end', async () => {
    const { application, uid } = await scene.company({ ordering: 'key' }, ordered, { ordering: 'key' });
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
    const run = async (round: number) => {
      const client = await scene.client();
      for (let n = 0; n < 10; n++) {
        await client.query('BEGIN');
        const ordering = round % 2 === 0 ? keys : keys.toReversed();
        for (const orderingKey of ordering)
          await publish({ application: uid, ...event, orderingKey }, { client });
        await client.query('COMMIT');
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, round) => run(round)));
    scene.given.store.listen(() => {});
    await scene.settled();
    const deliveries = (await scene.deliveries(application)).flat();
    expect(deliveries).toHaveLength(6 * 10 * keys.length * 3);
    const turns = deliveries.filter((row) => row.timed).map((row) => `${row.endpointKey} ${row.orderKey}`);
    expect(turns).toHaveLength(2 * keys.length + 1);
    expect(new Set(turns).size).toBe(turns.length);
  });

  it('whose lock somebody has is left to a node', async () => {
    const { application, uid, endpoints } = await scene.company({}, ordered);
    const other = await scene.client();
    await other.query('BEGIN');
    await other.query("SELECT posthorn.lock_lines(ARRAY[$1::bigint], ARRAY[''])", [endpoints[1]?.key]);
    const client = await scene.client();
    await client.query('BEGIN');
    for (let n = 0; n < 3; n++) await publishSql(client, uid);
    await client.query('COMMIT');
    const timed = async () => (await scene.deliveries(application)).map((of) => of.map((row) => row.timed));
    expect(await timed()).toEqual(Array(3).fill([true, false]));
    scene.given.store.listen(() => {});
    await other.query('COMMIT');
    await scene.settled();
    expect(await timed()).toEqual([
      [true, true],
      [true, false],
      [true, false],
    ]);
  });
});

/** Until a statement of this connection waits for another one. */
async function waitsForLock(client: pg.Client): Promise<void> {
  const { processID } = client as unknown as { processID: number };
  for (;;) {
    const [row] = await scene.rows<{ waits: boolean }>(
      'SELECT cardinality(pg_blocking_pids($1)) > 0 AS waits',
      [processID],
    );
    if (row?.waits) return;
  }
}
