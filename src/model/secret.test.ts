import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { decodeSecret, isSecret, newSecret } from './secret.ts';

describe('secrets', () => {
  it('are new each time, and valid', () => {
    const random = seededRandom(1);
    const secrets = Array.from({ length: 100 }, () => newSecret(random));
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(decodeSecret(secret)).toHaveLength(32);
    }
  });

  it('decode to the bytes they were made of, from 24 to 75', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        const decoded = decodeSecret(`whsec_${Buffer.from(bytes).toString('base64')}`);
        if (bytes.length < 24 || bytes.length > 75) expect(decoded).toBeNull();
        else expect(decoded).toEqual(Buffer.from(bytes));
      }),
    );
  });

  const good = Buffer.alloc(32, 7).toString('base64');
  it.each([
    good,
    `whsk_${good}`,
    `WHSEC_${good}`,
    'whsec_',
    `whsec_${good.replace('=', '')}`,
    `whsec_${good}=`,
    `whsec_ ${good}`,
    `whsec_${good}\n`,
    `whsec_${Buffer.alloc(32, 0xff).toString('base64url')}`,
    `whsec_${'é'.repeat(44)}`,
    `whsec_${'A'.repeat(100_000)}`,
    null,
    undefined,
    12,
    ['whsec_'],
  ])('refuses %j', (value) => {
    expect(isSecret(value)).toBe(false);
  });
});
