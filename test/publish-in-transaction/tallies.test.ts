import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/index.ts';
import { HOUR_MS } from '../../src/model/tally.ts';
import { Scene } from './scene.ts';

const event = { eventType: 'ticket.created', payload: { n: 1 } };

/** What publishers' transactions publish is counted like what comes by HTTP, by whichever way it becomes a message. */
describe.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])('statistics of %s', (level) => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await Scene.start({ listens: true });
  });
  afterEach(() => scene.end());

  async function accepted(of: { applicationKey?: number }): Promise<number> {
    const range = { from: Date.now() - 2 * HOUR_MS, to: Date.now() + 2 * HOUR_MS };
    const hours = await scene.given.store.tallyList({ of, bucket: 'hour', ...range });
    return hours.reduce((sum, each) => sum + each.accepted, 0);
  }

  it('count each message once, when it is committed', async () => {
    const [one, other] = [await scene.company({}, { ordering: 'endpoint' }), await scene.company()];
    const client = await scene.client();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    for (let count = 0; count < 3; count++) await publish({ application: one.uid, ...event }, { client });
    await publish({ application: other.uid, ...event, eventId: 'e' }, { client });
    expect(await accepted({})).toBe(0);
    await client.query('COMMIT');
    await scene.settled();
    const { key } = one.application;
    await expect.poll(() => accepted({ applicationKey: key })).toBe(3);
    expect([await accepted({ applicationKey: other.application.key }), await accepted({})]).toEqual([1, 4]);
  });

  it('count nothing of what was rolled back', async () => {
    const { uid } = await scene.company({});
    const client = await scene.client();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    await publish({ application: uid, ...event }, { client });
    await client.query('ROLLBACK');
    await publish({ application: uid, ...event }, { client });
    await scene.settled();
    await expect.poll(() => accepted({})).toBe(1);
  });

  it('keep no publisher waiting for another', async () => {
    const { uid, application } = await scene.company({});
    // Its counts are written, and not committed.
    const first = await scene.client();
    await first.query('BEGIN');
    await publish({ application: uid, ...event }, { client: first });
    await first.query('SET CONSTRAINTS ALL IMMEDIATE');
    const second = await scene.client();
    await second.query(`BEGIN ISOLATION LEVEL ${level}`);
    await second.query("SET lock_timeout = '5s'");
    await publish({ application: uid, ...event }, { client: second });
    await second.query('COMMIT');
    await first.query('COMMIT');
    await scene.settled();
    await expect.poll(() => accepted({ applicationKey: application.key })).toBe(2);
  });
});
