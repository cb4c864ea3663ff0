import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { newSecret } from './secret.ts';
import { type Signing, sign as signFor } from './signature.ts';

const random = seededRandom(3);
const secret = newSecret(random);
/** Signs with secrets that don't end, for a time in seconds. */
const sign = (
  params: Omit<Signing, 'secrets' | 'startedAt'> & { secrets: readonly string[]; timestamp: number },
) => {
  const { timestamp, secrets, ...rest } = params;
  const lasting = secrets.map((text) => ({ text, until: null }));
  return signFor({ ...rest, secrets: lasting, startedAt: timestamp * 1000 + 999 });
};
const seconds = () => Math.floor(Date.now() / 1000);
const verifies = (
  key: string,
  id: string,
  timestamp: number,
  signature: string,
  payload: Buffer | string,
) => {
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signature,
  };
  try {
    new Webhook(key).verify(payload, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
};

describe('sign', () => {
  it("gives the specification's check value", () => {
    const signature = sign({
      secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
      messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: 1614265330,
      payload: '{"test": 2432232314}',
    });
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('verifies with the reference library, for any id and payload, as text and as bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.stringMatching(/^msg_[A-Za-z0-9]{1,40}$/),
        (payload, messageId) => {
          const timestamp = seconds();
          const signature = sign({ secrets: [secret], messageId, timestamp, payload });
          expect(sign({ secrets: [secret], messageId, timestamp, payload: Buffer.from(payload) })).toBe(
            signature,
          );
          expect(verifies(secret, messageId, timestamp, signature, payload)).toBe(true);
        },
      ),
    );
  });

  it('fails to verify once a single bit of payload, id, time or key has changed', () => {
    const payload = Buffer.from('{"ticket":{"id":7,"subject":"ü"}}');
    const timestamp = seconds();
    const signature = sign({ secrets: [secret], messageId: 'msg_1', timestamp, payload });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: payload.length * 8 - 1 }), (bit) => {
        const flipped = Buffer.from(payload);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        const again = sign({ secrets: [secret], messageId: 'msg_1', timestamp, payload: flipped });
        expect(again).not.toBe(signature);
      }),
    );
    expect(verifies(secret, 'msg_2', timestamp, signature, payload)).toBe(false);
    expect(verifies(secret, 'msg_1', timestamp + 1, signature, payload)).toBe(false);
    expect(verifies(newSecret(random), 'msg_1', timestamp, signature, payload)).toBe(false);
  });

  it('signs with each secret of a rotation, newest first', () => {
    const secrets = [newSecret(random), newSecret(random)];
    const timestamp = seconds();
    const both = sign({ secrets, messageId: 'msg_1', timestamp, payload: '{}' });
    expect(both.split(' ')).toEqual(
      secrets.map((one) => sign({ secrets: [one], messageId: 'msg_1', timestamp, payload: '{}' })),
    );
    for (const one of secrets) expect(verifies(one, 'msg_1', timestamp, both, '{}')).toBe(true);
  });

  it('signs with the current secret always, and with each other until it ends', () => {
    const [current, old, older] = [newSecret(random), newSecret(random), newSecret(random)] as const;
    const secrets = [
      { text: current, until: null },
      { text: old, until: 2_000 },
      { text: older, until: 1_000 },
    ];
    const at = (startedAt: number) => signFor({ secrets, messageId: 'msg_1', startedAt, payload: '{}' });
    const by = (texts: readonly string[], timestamp: number) =>
      sign({ secrets: texts, messageId: 'msg_1', timestamp, payload: '{}' });
    expect(at(999)).toBe(by([current, old, older], 0));
    expect(at(1_000)).toBe(by([current, old], 1));
    expect(at(1_999)).toBe(by([current, old], 1));
    expect(at(2_000)).toBe(by([current], 2));
  });

  it('throws on what is no secret, and without any', () => {
    const signing = { messageId: 'm', timestamp: 1, payload: '' };
    expect(() => sign({ ...signing, secrets: ['hunter2'] })).toThrow('whsec_');
    expect(() => sign({ ...signing, secrets: [] })).toThrow('no secret');
  });
});

describe('sign with a key pair', () => {
  // The pair of RFC 8032 section 7.1, test 1; over the check value's message.
  const publicKey = '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=';
  const pair =
    'whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==';
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey, 'base64').toString('base64url') },
    format: 'jwk',
  });
  const holds = (signed: string, signature: string) =>
    verify(null, Buffer.from(signed), key, Buffer.from(signature.slice('v1a,'.length), 'base64'));

  it('gives a fixed value, which the public key alone verifies', () => {
    const signature = sign({
      secrets: [pair],
      messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: 1614265330,
      payload: '{"test": 2432232314}',
    });
    expect(signature).toBe(
      'v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw==',
    );
    expect(holds('msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', signature)).toBe(true);
    expect(holds('msg_p5jXN8AQM9LWM0D4loKWxJek.1614265331.{"test": 2432232314}', signature)).toBe(false);
  });

  it('verifies for any payload, as text and as bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (payload) => {
        const signing = { secrets: [pair], messageId: 'msg_1', timestamp: 7 };
        const signature = sign({ ...signing, payload });
        expect(sign({ ...signing, payload: Buffer.from(payload) })).toBe(signature);
        expect(signature).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/);
        expect(holds(`msg_1.7.${payload}`, signature)).toBe(true);
      }),
    );
  });

  it('and an HMAC secret at once gives both, each for its receivers', () => {
    const timestamp = seconds();
    const both = sign({ secrets: [pair, secret], messageId: 'msg_1', timestamp, payload: '{}' });
    const [ofPair, ofSecret] = both.split(' ') as [string, string];
    expect(holds(`msg_1.${timestamp}.{}`, ofPair)).toBe(true);
    expect(ofSecret).toMatch(/^v1,/);
    expect(verifies(secret, 'msg_1', timestamp, both, '{}')).toBe(true);
  });
});
