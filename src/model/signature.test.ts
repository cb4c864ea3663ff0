import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { newSecret } from './secret.ts';
import { sign } from './signature.ts';

const random = seededRandom(3);
const secret = newSecret(random);
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

  it('throws on what is no secret', () => {
    expect(() => sign({ secrets: ['hunter2'], messageId: 'm', timestamp: 1, payload: '' })).toThrow('whsec_');
  });
});
