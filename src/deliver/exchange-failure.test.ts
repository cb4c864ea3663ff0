import { describe, expect, it } from 'vitest';
import { RESPONSE_READ_BYTES, RESPONSE_STORED_BYTES } from '../limits.ts';
import { AnswerBody } from './answer-body.ts';
import { connectFailure, durationText, ExchangeFailure, requestFailure } from './exchange-failure.ts';

const peer = { host: 'a.example', authority: 'a.example:443', secure: true };
const failing = (code: string, message = '') => Object.assign(new Error(message), { code });

describe('failures in words', () => {
  it.each([
    ['ECONNREFUSED', 'connection_refused', 'a.example:443 refused the connection.'],
    ['EHOSTUNREACH', 'connection_failed', "a.example:443 can't be reached: no route leads to it."],
    ['ETIMEDOUT', 'connection_failed', "a.example:443 can't be reached: it does not react."],
    [
      'EMFILE',
      'connection_failed',
      "a.example:443 can't be reached: this server has too many open files (see ulimit -n).",
    ],
    ['EWHATEVER', 'connection_failed', "a.example:443 can't be reached (EWHATEVER)."],
    ['', 'connection_failed', "a.example:443 can't be reached (no reason known)."],
    ['ECONNRESET', 'tls_failed', 'a.example:443 closed the connection before TLS was set up.'],
    ['CERT_HAS_EXPIRED', 'tls_failed', 'The certificate of a.example, or one it hangs on, has expired.'],
    ['CERT_REVOKED', 'tls_failed', 'TLS with a.example:443 failed (CERT_REVOKED).'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'tls_failed', expect.stringContaining('HANDSHAKE_FAILURE')],
  ])('while connecting: %s', (code, ours, message) => {
    expect(connectFailure(failing(code), peer, null)).toMatchObject({ code: ours, message });
  });

  it('tell the most useful of several', () => {
    const all = new AggregateError([failing('ENETUNREACH'), failing('ECONNREFUSED')]);
    expect(connectFailure(all, peer, null).code).toBe('connection_refused');
    expect(connectFailure(new AggregateError([failing('ENETUNREACH')]), peer, null).message).toContain(
      'its network',
    );
    expect(connectFailure(failing('ECONNRESET'), { ...peer, secure: false }, null).code).toBe(
      'connection_failed',
    );
  });

  it('while sending keep to the codes, and tell nothing of what is inside', () => {
    expect(requestFailure(failing('ERR_SSL_ALERT', 'secret'), peer, null).code).toBe('tls_failed');
    const bug = requestFailure(new Error('secret'), peer, null);
    expect(bug.code).toBe('internal_error');
    expect(bug.message).not.toContain('secret');
    expect(requestFailure(undefined, peer, null).code).toBe('internal_error');
    const ours = new ExchangeFailure('dns_failed', 'x');
    expect(requestFailure(ours, peer, null)).toBe(ours);
  });

  it('name times as people do', () => {
    expect([200, 999, 1_000, 1_500, 15_000, 120_000].map(durationText)).toEqual([
      '200 ms',
      '999 ms',
      '1 s',
      '1.5 s',
      '15 s',
      '120 s',
    ]);
  });
});

describe('the body of an answer', () => {
  const bodyOf = (...chunks: (string | Buffer)[]) => {
    const body = new AnswerBody();
    const wanted = chunks.map((chunk) => body.add(Buffer.from(chunk)));
    return { text: body.text(), wanted };
  };

  it('is put together across chunks, within a character too', () => {
    const [start, end] = [Buffer.from('Grü').subarray(0, 3), Buffer.from('ü').subarray(1)];
    expect(bodyOf(start, end, 'ße').text).toBe('Grüße');
    expect(bodyOf().text).toBe('');
  });

  it('is read to one limit and kept to another', () => {
    const kept = bodyOf(...Array(9).fill('x'.repeat(RESPONSE_READ_BYTES / 8)));
    expect(kept.wanted).toEqual([...Array(8).fill(true), false]);
    expect(kept.text).toBe('x'.repeat(RESPONSE_STORED_BYTES));
  });

  it('is cut between characters', () => {
    for (const shift of [0, 1, 2, 3]) {
      const { text } = bodyOf('x'.repeat(shift) + '👍'.repeat(RESPONSE_STORED_BYTES));
      expect(text).toMatch(/^x{0,3}(👍)+$/u);
      expect(Buffer.byteLength(text)).toBeGreaterThan(RESPONSE_STORED_BYTES - 4);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(RESPONSE_STORED_BYTES);
    }
  });

  it('has no NUL and no broken bytes, and still keeps to the limit', () => {
    expect(bodyOf('a\0b', Buffer.from([0xff, 0xc3])).text).toBe('a\ufffdb\ufffd\ufffd');
    for (const bytes of [Buffer.alloc(30_000, 0xff), Buffer.alloc(10_000), Buffer.alloc(19_999, 0x80)]) {
      const { text } = bodyOf(bytes);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(RESPONSE_STORED_BYTES);
      expect(text).toMatch(/^\ufffd+$/);
    }
  });
});
