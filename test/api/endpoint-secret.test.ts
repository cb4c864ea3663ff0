import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SECRETS_ROTATED_OUT } from '../../src/limits.ts';
import { systemClock } from '../../src/system/clock.ts';
import { type Received, type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** The secret of an endpoint, and how another takes its place. */

let world: World;
let receiver: Receiver;
let path: string;
/** How far the server's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  world = await startWorld({ clock: { ...systemClock, now: () => systemClock.now() + ahead } });
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(async () => {
  const { application } = await world.addCompany('secrets');
  path = `/api/v1/app/${application.number}`;
  await world.operate('POST', `${path}/endpoint`, { url: receiver.url, uid: 'e' });
});

const secretOf = async (): Promise<string> =>
  (await world.operate('GET', `${path}/endpoint/e/secret`)).json().key;
const rotate = (body?: unknown) => world.operate('POST', `${path}/endpoint/e/secret/rotate`, body);

/** The next delivery. */
async function delivered(): Promise<Received> {
  const before = receiver.received.length;
  await world.operate('POST', `${path}/msg`, { eventType: 'a', payload: { n: before } });
  await receiver.has(before + 1);
  return receiver.received[before] as Received;
}

function isSignedWith(secret: string, { headers, body }: Received): boolean {
  // The time is the server's, which may be ahead: the library's own `verify` would refuse it.
  const timestamp = new Date(Number(headers['webhook-timestamp']) * 1_000);
  const expected = new Webhook(secret).sign(String(headers['webhook-id']), timestamp, body);
  return String(headers['webhook-signature']).split(' ').includes(expected);
}

const signatures = ({ headers }: Received) => String(headers['webhook-signature']).split(' ').length;

describe('rotation', () => {
  it('makes a new secret; the one before signs too for a day', async () => {
    const first = await secretOf();
    const answer = await rotate({});
    expect([answer.status, answer.text]).toEqual([204, '']);
    const second = await secretOf();
    expect(second).not.toBe(first);
    const during = await delivered();
    expect([isSignedWith(first, during), isSignedWith(second, during), signatures(during)]).toEqual([
      true,
      true,
      2,
    ]);
    ahead += 86_400_000;
    const after = await delivered();
    expect([isSignedWith(first, after), isSignedWith(second, after)]).toEqual([false, true]);
  });

  it('needs no body', async () => {
    const first = await secretOf();
    expect((await rotate()).status).toBe(204);
    expect(await secretOf()).not.toBe(first);
    expect((await rotate('')).status).toBe(204);
    expect((await rotate('nonsense')).json().detail[0].loc).toEqual(['body', '', '']);
  });

  it('takes the secret that is given, and a grace period of its own', async () => {
    const first = await secretOf();
    const key = `whsec_${Buffer.alloc(24, 5).toString('base64')}`;
    expect((await rotate({ key, gracePeriodSeconds: 0 })).status).toBe(204);
    expect(await secretOf()).toBe(key);
    const delivery = await delivered();
    expect([isSignedWith(first, delivery), isSignedWith(key, delivery), signatures(delivery)]).toEqual([
      false,
      true,
      1,
    ]);
    expect((await rotate({ key: null, gracePeriodSeconds: null })).status).toBe(204);
    // Not to the last second: a node whose clock is set forward sends nothing until its next beat.
    ahead += 86_390_000;
    expect(isSignedWith(key, await delivered())).toBe(true);
  });

  it('to the secret that is there already changes nothing', async () => {
    const key = await secretOf();
    expect((await rotate({ key })).status).toBe(204);
    expect(signatures(await delivered())).toBe(1);
  });

  it('leaves a bounded number to sign, of which those that expired make room', async () => {
    for (let each = 0; each < SECRETS_ROTATED_OUT; each++) {
      expect((await rotate({ gracePeriodSeconds: 60 * (each + 1) })).status).toBe(204);
    }
    const over = await rotate({ gracePeriodSeconds: 60 });
    expect([over.status, over.json().code]).toEqual([400, 'limit_reached']);
    expect(signatures(await delivered())).toBe(SECRETS_ROTATED_OUT + 1);
    // One that is to sign no more takes no room.
    expect((await rotate({ gracePeriodSeconds: 0 })).status).toBe(204);
    ahead += 61_000;
    expect((await rotate({ gracePeriodSeconds: 60 })).status).toBe(204);
    expect(signatures(await delivered())).toBe(SECRETS_ROTATED_OUT + 1);
    ahead += 3_600_000;
    expect(signatures(await delivered())).toBe(1);
  });

  it('loses none of many at once', async () => {
    await Promise.all(Array.from({ length: 5 }, () => rotate({})));
    expect(signatures(await delivered())).toBe(6);
  });

  it.each<[object, unknown[], string]>([
    [{ key: 'short' }, ['body', 'key', '__all__'], 'value_error'],
    [{ key: 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }, ['body', 'key', '__all__'], 'value_error'],
    [{ key: 'whsec_c2hvcnQ=' }, ['body', 'key', '__all__'], 'value_error'],
    [{ key: `whsk_${'A'.repeat(86)}==` }, ['body', 'key', '__all__'], 'value_error'],
    [{ key: 5 }, ['body', 'key'], 'value_error.jsondecode'],
    [{ gracePeriodSeconds: -1 }, ['body', 'grace_period_seconds'], 'value_error'],
    [{ gracePeriodSeconds: 604_801 }, ['body', 'grace_period_seconds'], 'value_error'],
    [{ gracePeriodSeconds: '1' }, ['body', 'gracePeriodSeconds'], 'value_error.jsondecode'],
  ])('answers 422 to %j', async (body, loc, type) => {
    const before = await secretOf();
    const answer = await rotate(body);
    expect([answer.status, answer.json().detail]).toEqual([422, [{ loc, msg: expect.any(String), type }]]);
    expect(answer.text).not.toContain('MfKQ9r8G');
    expect(await secretOf()).toBe(before);
  });

  it('is carried out once for one idempotency key', async () => {
    const call = () =>
      world.operate('POST', `${path}/endpoint/e/secret/rotate`, {}, { 'idempotency-key': 'rotation' });
    expect((await call()).status).toBe(204);
    const key = await secretOf();
    expect([(await call()).status, await secretOf()]).toEqual([204, key]);
  });

  it('lasts over a restart', async () => {
    const first = await startWorld();
    await first.operate('POST', '/api/v1/app/1/endpoint', { url: receiver.url, uid: 'e' });
    await first.operate('POST', '/api/v1/app/1/endpoint/e/secret/rotate', {});
    const { key } = (await first.operate('GET', '/api/v1/app/1/endpoint/e/secret')).json();
    await first.close({ keepFolder: true });
    const second = await startWorld({ folder: first.folder });
    expect((await second.operate('GET', '/api/v1/app/1/endpoint/e/secret')).json()).toEqual({ key });
    const before = receiver.received.length;
    await second.operate('POST', '/api/v1/app/1/msg', { eventType: 'a', payload: {} });
    await receiver.has(before + 1);
    const delivery = receiver.received[before] as Received;
    expect([isSignedWith(key, delivery), signatures(delivery)]).toEqual([true, 2]);
    await second.close();
  });
});

describe('a key pair as secret', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const part = (name: 'd' | 'x', key: KeyObject = privateKey) =>
    Buffer.from(String(key.export({ format: 'jwk' })[name]), 'base64url');
  const pair = `whsk_${Buffer.concat([part('d'), part('x')]).toString('base64')}`;

  it('is shown by its public half alone, and signs as v1a', async () => {
    const body = { url: receiver.url, uid: 'pair', secret: pair };
    const made = await world.operate('POST', `${path}/endpoint`, body);
    expect(made.text).not.toContain(pair);
    const shown = await world.operate('GET', `${path}/endpoint/pair/secret`);
    expect(shown.json()).toEqual({ key: `whpk_${part('x').toString('base64')}` });
    await world.operate('DELETE', `${path}/endpoint/e`);
    expect((await delivered()).headers['webhook-signature']).toMatch(/^v1a,/);
  });

  it('can follow a secret of the other kind, and be followed by one', async () => {
    const first = await secretOf();
    expect((await rotate({ key: pair })).status).toBe(204);
    expect(await secretOf()).toMatch(/^whpk_/);
    const during = await delivered();
    expect(during.headers['webhook-signature']).toMatch(/^v1a,\S+ v1,\S+$/);
    expect(isSignedWith(first, during)).toBe(true);
    await rotate({ key: first, gracePeriodSeconds: 0 });
    expect(await secretOf()).toBe(first);
  });

  it('is followed by a new pair when none is given', async () => {
    await rotate({ key: pair });
    const before = await secretOf();
    await rotate({});
    const after = await secretOf();
    expect(after).toMatch(/^whpk_/);
    expect(after).not.toBe(before);
    expect((await delivered()).headers['webhook-signature']).toMatch(/^v1a,\S+ v1a,/);
  });
});
