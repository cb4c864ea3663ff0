import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { isSecret, keyOfSecret, newSecret, shownSecret } from './secret.ts';

/** A key pair as its secret, with the halves that node:crypto knows it by. */
function keyPair() {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(d as string, 'base64url');
  const publicKey = Buffer.from(x as string, 'base64url');
  return { seed, publicKey, text: `whsk_${Buffer.concat([seed, publicKey]).toString('base64')}` };
}

describe('HMAC secrets', () => {
  it('are new each time, and valid', () => {
    const random = seededRandom(1);
    const secrets = Array.from({ length: 100 }, () => newSecret(random));
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(isSecret(secret)).toBe(true);
    }
  });

  it('hold the bytes they were made of, from 24 to 75, and are shown whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        const text = `whsec_${Buffer.from(bytes).toString('base64')}`;
        const key = keyOfSecret(text);
        expect(shownSecret(text)).toBe(text);
        if (bytes.length < 24 || bytes.length > 75) expect(key).toBeNull();
        else expect([key?.type, key?.export()]).toEqual(['secret', Buffer.from(bytes)]);
      }),
    );
  });
});

describe('key pairs', () => {
  // RFC 8032 section 7.1, test 1.
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  const publicKey = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');
  const text = `whsk_${Buffer.concat([seed, publicKey]).toString('base64')}`;

  it('are a seed and its public key, and only the latter is shown', () => {
    expect(keyOfSecret(text)?.asymmetricKeyType).toBe('ed25519');
    expect(shownSecret(text)).toBe('whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=');
  });

  it('sign what their shown half verifies, for any seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), bytes]);
        const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
        const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
        const half = Buffer.from(x as string, 'base64url');
        const pair = `whsk_${Buffer.concat([bytes, half]).toString('base64')}`;
        expect(isSecret(pair)).toBe(true);
        expect(shownSecret(pair)).toBe(`whpk_${half.toString('base64')}`);
        expect(shownSecret(pair)).not.toContain(Buffer.from(bytes).toString('base64').slice(0, 40));
      }),
    );
  });

  it('are refused with one bit of either half changed', () => {
    const { seed: ownSeed, publicKey: ownPublic, text: own } = keyPair();
    expect(isSecret(own)).toBe(true);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 * 8 - 1 }), (bit) => {
        const bytes = Buffer.concat([ownSeed, ownPublic]);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(isSecret(`whsk_${bytes.toString('base64')}`)).toBe(false);
      }),
    );
  });

  it.each([31, 32, 63, 65, 96])('are refused with %i bytes', (length) => {
    expect(isSecret(`whsk_${Buffer.concat([seed, publicKey, seed]).toString('base64', 0, length)}`)).toBe(
      false,
    );
  });
});

describe('no secret', () => {
  const good = Buffer.alloc(32, 7).toString('base64');
  it.each([
    good,
    `whsk_${good}`,
    `whpk_${good}`,
    `WHSEC_${good}`,
    'whsec_',
    'whsk_',
    `whsec_${good.replace('=', '')}`,
    `whsec_${good}=`,
    `whsec_ ${good}`,
    `whsec_${good}\n`,
    `whsec_${Buffer.alloc(32, 0xff).toString('base64url')}`,
    `whsec_${'é'.repeat(44)}`,
    null,
    undefined,
    12,
    ['whsec_'],
  ])('is %j', (value) => {
    expect(isSecret(value)).toBe(false);
  });

  it.each(['whsec_', 'whsk_'])('is %s with 100,000 characters', (prefix) => {
    expect(isSecret(prefix + 'A'.repeat(100_000))).toBe(false);
  });
});
