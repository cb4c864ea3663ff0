import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { Webhook as Svix2Webhook } from 'svix2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { startTestApp } from '../helpers/app.ts';
import { type Received, type Receiver, startReceiver } from '../helpers/receiver.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Receivers verify what comes with the libraries that they have, as these are published. */

const ENDPOINTS = '/api/v1/app/1/endpoint';
const PAYLOAD = '{"ticket":{"id":12345678901234567890,"subject":"\\u00fc 😀"}}';
/** The official clients look for `svix-*` first, then `webhook-*`; the library of the specification only knows the latter. */
const OFFICIAL = [
  ['svix@1', SvixWebhook],
  ['svix@2', Svix2Webhook],
] as const;
const SETTINGS = [
  ['standard', 'webhook', [...OFFICIAL, ['standardwebhooks', StandardWebhook]]],
  ['svix', 'svix', OFFICIAL],
  ['both', 'webhook', [...OFFICIAL, ['standardwebhooks', StandardWebhook]]],
] as const;

describe.each(SETTINGS)('a delivery with POSTHORN_SIGNATURE_HEADERS=%s', (setting, prefix, libraries) => {
  let app: Awaited<ReturnType<typeof startTestApp>>;
  let receiver: Receiver;
  let path: string;
  beforeAll(async () => {
    app = await startTestApp({ POSTHORN_SIGNATURE_HEADERS: setting });
  });
  beforeEach(async () => {
    receiver = await startReceiver();
    path = '';
  });
  afterEach(async () => {
    await app.operate('DELETE', path);
    await receiver.close();
  });
  afterAll(() => app.dispose());

  /** An endpoint at the receiver, alone in the application. */
  const register = async (more: object = {}) => {
    const { status, body } = await app.operate('POST', ENDPOINTS, { url: receiver.url, ...more });
    expect(status).toBe(201);
    path = `${ENDPOINTS}/${body.id}`;
  };
  const shown = async (): Promise<string> => (await app.operate('GET', `${path}/secret`)).body.key;
  const rotate = async (body: object) => {
    expect((await app.operate('POST', `${path}/secret/rotate`, body)).status).toBe(204);
  };
  const deliver = async (): Promise<Received> => {
    const before = receiver.received.length;
    await app.publish(PAYLOAD);
    await receiver.has(before + 1);
    return receiver.received[before] as Received;
  };
  const signaturesOf = (received: Received) => headersOf(received)[`${prefix}-signature`]?.split(' ') ?? [];
  /** The libraries that accept a delivery with this secret, by their names. */
  const accepting = (secret: string, received: Received, body = received.body) =>
    libraries
      .filter(([, Webhook]) => verifies(Webhook, secret, body, headersOf(received)))
      .map(([name]) => name);
  const all = libraries.map(([name]) => name);

  it('verifies with every library, and not when a byte of it has changed', async () => {
    await register();
    const received = await deliver();
    expect(received.body).toBe(PAYLOAD);
    expect(accepting(await shown(), received)).toEqual(all);
    expect(accepting(await shown(), received, received.body.replace('1', '2'))).toEqual([]);
    const names = Object.keys(received.headers).filter((name) => /^(svix|webhook)-/.test(name));
    expect(new Set(names.map((name) => name.split('-')[0]))).toEqual(
      new Set(setting === 'both' ? ['svix', 'webhook'] : [prefix]),
    );
  });

  it('verifies with the old secret and the new one while both are good', async () => {
    await register();
    const old = await shown();
    await rotate({});
    const current = await shown();
    expect(current).not.toBe(old);
    const received = await deliver();
    expect(signaturesOf(received)).toHaveLength(2);
    expect(accepting(current, received)).toEqual(all);
    expect(accepting(old, received)).toEqual(all);
  });

  it('verifies only with the new secret when there is no grace period', async () => {
    const given = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    await register();
    const old = await shown();
    expect(accepting(old, await deliver())).toEqual(all);
    await rotate({ key: given, gracePeriodSeconds: 0 });
    expect(await shown()).toBe(given);
    const received = await deliver();
    expect(signaturesOf(received)).toHaveLength(1);
    expect(accepting(given, received)).toEqual(all);
    expect(accepting(old, received)).toEqual([]);
  });

  it('with a key pair verifies with the public key that is shown, by node:crypto alone', async () => {
    const { secret, publicKey } = keyPair();
    await register({ secret });
    expect(await shown()).toBe(publicKey);
    const received = await deliver();
    expect(signaturesOf(received)).toHaveLength(1);
    expect(holds(publicKey, received, prefix)).toBe(true);
    expect(holds(publicKey, { ...received, body: `${received.body} ` }, prefix)).toBe(false);
    expect(holds(keyPair().publicKey, received, prefix)).toBe(false);
    // The JavaScript clients know only HMAC (`v1`): they pass over a `v1a` signature, whatever key they are given.
    expect(accepting(`whsec_${publicKey.slice('whpk_'.length)}`, received)).toEqual([]);
  });

  it('goes on to verify by HMAC with every library after a rotation to a key pair', async () => {
    await register();
    const old = await shown();
    const { secret, publicKey } = keyPair();
    await rotate({ key: secret });
    expect(await shown()).toBe(publicKey);
    const received = await deliver();
    expect(signaturesOf(received).map((one) => one.split(',')[0])).toEqual(['v1a', 'v1']);
    expect(holds(publicKey, received, prefix)).toBe(true);
    expect(accepting(old, received)).toEqual(all);
  });
});

describe('a rotated secret', () => {
  let world: World;
  let receiver: Receiver;
  let aheadMs = 0;
  beforeAll(async () => {
    world = await startWorld({ clock: { ...systemClock, now: () => Date.now() + aheadMs } });
    receiver = await startReceiver();
  });
  afterAll(async () => {
    await world.close();
    await receiver.close();
  });

  it('signs until its grace period is over, and nothing has to happen for it to end', async () => {
    const path = `${ENDPOINTS}/${(await world.operate('POST', ENDPOINTS, { url: receiver.url })).json().id}`;
    const shown = async () => (await world.operate('GET', `${path}/secret`)).json().key as string;
    const old = await shown();
    await world.operate('POST', `${path}/secret/rotate`, { gracePeriodSeconds: 60 });
    const current = await shown();
    const good = async () => {
      const before = receiver.received.length;
      const message = { eventType: 'ticket.created', payload: { n: before } };
      expect((await world.operate('POST', '/api/v1/app/1/msg', message)).status).toBe(202);
      await receiver.has(before + 1);
      const received = receiver.received[before] as Received;
      return [old, current].map((secret) =>
        verifies(SvixWebhook, secret, received.body, headersOf(received)),
      );
    };
    expect(await good()).toEqual([true, true]);
    // Still within what receivers allow a timestamp to be off.
    aheadMs = 61_000;
    expect(await good()).toEqual([false, true]);
  });

  it('is refused when it is a pair whose halves do not belong together', async () => {
    const seed = Buffer.from(keyPair().secret.slice('whsk_'.length), 'base64').subarray(0, 32);
    const foreign = Buffer.from(keyPair().publicKey.slice('whpk_'.length), 'base64');
    const key = `whsk_${Buffer.concat([seed, foreign]).toString('base64')}`;
    const path = `${ENDPOINTS}/${(await world.operate('POST', ENDPOINTS, { url: receiver.url })).json().id}`;
    expect((await world.operate('POST', `${path}/secret/rotate`, { key })).status).toBe(422);
    expect((await world.operate('POST', ENDPOINTS, { url: receiver.url, secret: key })).status).toBe(422);
  });
});

interface Verifier {
  verify(payload: string, headers: Record<string, string>): unknown;
}

function verifies(
  Webhook: new (secret: string) => Verifier,
  secret: string,
  body: string,
  headers: Record<string, string>,
): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function headersOf(received: Received): Record<string, string> {
  return received.headers as Record<string, string>;
}

/** A new ed25519 key pair as the specification writes it. */
function keyPair(): { secret: string; publicKey: string } {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const half = Buffer.from(x as string, 'base64url');
  const pair = Buffer.concat([Buffer.from(d as string, 'base64url'), half]);
  return { secret: `whsk_${pair.toString('base64')}`, publicKey: `whpk_${half.toString('base64')}` };
}

/** Whether one of a delivery's `v1a` signatures is by the owner of this `whpk_…`. */
function holds(publicKey: string, received: Received, prefix: string): boolean {
  const headers = headersOf(received);
  const x = Buffer.from(publicKey.slice('whpk_'.length), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const signed = Buffer.from(`${headers[`${prefix}-id`]}.${headers[`${prefix}-timestamp`]}.${received.body}`);
  return (headers[`${prefix}-signature`] ?? '')
    .split(' ')
    .filter((one) => one.startsWith('v1a,'))
    .some((one) => verify(null, signed, key, Buffer.from(one.slice('v1a,'.length), 'base64')));
}
