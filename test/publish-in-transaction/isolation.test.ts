import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/index.ts';
import { PUBLISHER_SIGNALS_MS } from '../../src/limits.ts';
import { refusal, Scene } from './scene.ts';

const event = { eventType: 'ticket.created', payload: { n: 1 } };

describe.each(['REPEATABLE READ', 'SERIALIZABLE'])('with one snapshot: %s', (level) => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.start({ listens: true });
  });
  afterEach(() => scene.end());

  async function begin(): Promise<pg.Client> {
    const client = await scene.client();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    // Takes the snapshot.
    await client.query('SELECT 1 FROM posthorn.application');
    return client;
  }

  it('publishes', async () => {
    const { application, uid } = await scene.company({}, { disabled: true });
    const client = await begin();
    await publish({ application: uid, ...event, eventId: 'e' }, { client });
    await publish({ application: uid, ...event }, { client });
    await client.query('COMMIT');
    const each = [{ state: 0, timed: true }, { state: 4 }];
    expect(await scene.deliveries(application)).toMatchObject([each, each]);
    const told = await scene.rows("SELECT 1 FROM posthorn.signal WHERE body LIKE '%staged%'");
    expect(told).toHaveLength(1);
    await scene.hears((signals) => signals.some(({ kind }) => kind === 'stored'));
    await scene.settled();
  });

  it('leaves turns to a node, which sees the lines', async () => {
    const { application, uid, endpoints } = await scene.company({ ordering: 'endpoint' });
    const endpointKey = endpoints[0]?.key as number;
    const client = await begin();
    // Comes after the snapshot, and stands in the line before what the transaction publishes.
    const before = await publish({ application: uid, ...event }, { client: scene.observer });
    const behind = await publish({ application: uid, ...event }, { client });
    await client.query('COMMIT');
    await scene.settled();
    expect((await scene.deliveries(application)).flat().map(({ timed }) => timed)).toEqual([true, false]);
    expect(await scene.messageIds()).toEqual([before.id, behind.id]);
    // And where nobody stood in it.
    const other = await scene.company({ ordering: 'endpoint' });
    const alone = await begin();
    await publish({ application: other.uid, ...event }, { client: alone });
    await publish({ application: other.uid, ...event }, { client: alone });
    await alone.query('COMMIT');
    const first = other.endpoints[0]?.key as number;
    await scene.hears((signals) =>
      signals.some((each) => each.kind === 'stored' && each.endpoints.some((of) => of.endpointKey === first)),
    );
    expect((await scene.deliveries(other.application)).flat().map(({ timed }) => timed)).toEqual([
      true,
      false,
    ]);
    expect(endpointKey).not.toBe(first);
    await scene.settled();
  });

  it('fails, as for any other row, when an endpoint was changed since the snapshot', async () => {
    const { application, uid, endpoints } = await scene.company({});
    const client = await begin();
    await publish({ application: uid, ...event }, { client });
    const own = { applicationKey: application.key, endpointKey: endpoints[0]?.key as number, now: 1 };
    await scene.given.store.endpointUpdate({ ...own, changes: { pausedAt: 1 } });
    expect(await refusal(client.query('COMMIT'))).toBe('40001');
    expect(await scene.deliveries(application)).toEqual([]);
  });

  it('does not fail for another transaction that publishes at the same time', async () => {
    const { uid } = await scene.company({}, { ordering: 'key' });
    const clients = await Promise.all(Array.from({ length: 4 }, begin));
    const message = { application: uid, ...event, orderingKey: 'k' };
    for (let n = 0; n < 2; n++) for (const client of clients) await publish(message, { client });
    for (const client of clients) await client.query('COMMIT');
    expect(await scene.leftovers()).toMatchObject({ message: 8 });
    await scene.settled();
  });

  it('takes an event id once', async () => {
    const { uid } = await scene.company();
    const client = await begin();
    const message = { application: uid, ...event, eventId: 'e' };
    await publish(message, { client: scene.observer });
    // Its snapshot does not show that. The commit fails, and whoever tries again is told.
    await publish(message, { client });
    expect(await refusal(client.query('COMMIT'))).toBe('40001');
    expect(await refusal(publish(message, { client }))).toBe('conflict');
  });
});

describe('a node', () => {
  it('hears of all commits, of which only some notify', async () => {
    const scene = await Scene.start({ listens: true });
    const { uid } = await scene.company({});
    const listener = await scene.client();
    let notified = 0;
    listener.on('notification', () => void notified++);
    await listener.query('LISTEN posthorn');
    const run = async () => {
      const client = await scene.client();
      for (let n = 0; n < 25; n++) await publish({ application: uid, ...event }, { client });
    };
    await Promise.all(Array.from({ length: 4 }, run));
    await scene.hears((signals) => signals.filter(({ kind }) => kind === 'stored').length === 100);
    await listener.query('SELECT 1');
    expect(notified).toBeGreaterThan(0);
    expect(notified).toBeLessThan(100);
    const [tell] = await scene.rows(
      "SELECT prosrc AS source FROM pg_proc WHERE oid = 'posthorn.tell'::regproc",
    );
    expect(tell?.source).toContain(`NOT BETWEEN 0 AND ${PUBLISHER_SIGNALS_MS.apart}\n`);
    await scene.end();
  });

  it('is notified unless it was so of another that is committed: who claims it may still fail', async () => {
    const scene = await Scene.start({ listens: true });
    const listener = await scene.client();
    let notified = 0;
    listener.on('notification', () => void notified++);
    await listener.query('LISTEN posthorn');
    // A moment ago somebody claimed to notify, who is yet to commit.
    const tell = `SELECT setval('posthorn.publisher_notified', posthorn.now_ms()), posthorn.tell('[{"kind":"keys"}]')`;
    const notifies = async (level: string) => {
      const before = notified;
      await scene.observer.query(`BEGIN ISOLATION LEVEL ${level}`);
      await scene.observer.query(tell);
      await scene.observer.query('COMMIT');
      await listener.query('SELECT 1');
      return notified > before;
    };
    expect(await notifies('READ COMMITTED')).toBe(true);
    await scene.hears((signals) => signals.some(({ kind }) => kind === 'keys'));
    expect(await notifies('READ COMMITTED')).toBe(false);
    expect(await notifies('REPEATABLE READ')).toBe(false);
    expect(await notifies('SERIALIZABLE')).toBe(true);
    await scene.hears((signals) => signals.filter(({ kind }) => kind === 'keys').length === 4);
    await scene.end();
  });

  it('is told of a large transaction once for each endpoint, with the soonest time', async () => {
    const scene = await Scene.start({ listens: true });
    const { uid, endpoints } = await scene.company({}, {}, {});
    const soon = Date.now() + 60_000;
    const later = `to_timestamp((${soon}::bigint + 3600000 - n * 1000) / 1000.0)`;
    await scene.rows(
      `SELECT posthorn.publish($1, 'a', '{}'::text, deliver_at => ${later}) FROM generate_series(1, 3600) AS n`,
      [uid],
    );
    await scene.hears((signals) => signals.some(({ kind }) => kind === 'stored'));
    const dueAt = Math.floor(soon / 1_000) * 1_000;
    const stored = scene.heard.flatMap((each) => (each.kind === 'stored' ? each.endpoints : []));
    expect(stored.map(({ endpointKey }) => endpointKey).toSorted()).toEqual(endpoints.map(({ key }) => key));
    for (const each of stored) expect(each.dueAt - dueAt).toBeLessThan(1_000);
    await scene.end();
  });

  it('is rather told to look at everything than of very many endpoints', async () => {
    const scene = await Scene.start({ listens: true });
    const tell = (count: number) =>
      scene.rows(
        'SELECT posthorn.tell_stored(array_agg(n), array_agg(n)) FROM generate_series(1, $1::bigint) AS n',
        [count],
      );
    scene.heard.splice(0);
    await tell(500);
    await scene.hears((signals) =>
      signals.some((each) => each.kind === 'stored' && each.endpoints.length === 500),
    );
    await tell(501);
    await scene.hears((signals) => signals.some(({ kind }) => kind === 'look'));
    await scene.end();
  });

  it('takes up what was left while none was there', async () => {
    const scene = await Scene.start();
    const { application, uid } = await scene.company({ ordering: 'endpoint' });
    const client = await scene.client();
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
    await publish({ application: uid, ...event }, { client });
    await client.query('COMMIT');
    // One that comes by a way on which no trigger runs.
    await client.query('ALTER TABLE posthorn.staged_message DISABLE TRIGGER accept_staged');
    await publish({ application: uid, ...event }, { client });
    expect(await scene.leftovers()).toMatchObject({ staged_message: 2 });
    scene.given.store.listen(() => {});
    await scene.settled();
    expect((await scene.deliveries(application)).flat().map(({ timed }) => timed)).toEqual([true, false]);
    await scene.end();
  });
});
