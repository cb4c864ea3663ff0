import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADERS_STORED_CHARACTERS } from '../limits.ts';
import { answerLines, hiddenLines, readHeaderLines } from './header-lines.ts';

describe('header lines', () => {
  it('give back the headers, those that came more than once joined', () => {
    const lines = answerLines({
      'content-type': 'text/plain',
      'x-empty': '',
      via: ['a', 'b'],
      gone: undefined,
    });
    expect(lines).toBe('content-type\ntext/plain\nx-empty\n\nvia\na, b');
    expect(readHeaderLines(lines)).toEqual([
      ['content-type', 'text/plain'],
      ['x-empty', ''],
      ['via', 'a, b'],
    ]);
    expect(readHeaderLines(answerLines({}))).toEqual([]);
  });

  it.each(
    `authorization Proxy-Authorization x-api-key X-Auth-Token cookie Set-Cookie www-authenticate proxy-authenticate
     x-acme-token ClientSecret x-password X-ApiKey acme-api-key-2 aws-credentials X-Auth Ocp-Apim-Subscription-Key X-Session-Id
     X-Signature X-Pass Auth-Key X-Access-Key X-JWT x-hub-signature-256`.split(/\s+/),
  )('never show what came in %s', (name) => {
    expect(answerLines({ [name]: 'hunter2' })).toBe(`${name}\n***`);
    expect(answerLines({ [name.toLowerCase()]: ['hunter2', 'hunter3'] })).toBe(`${name.toLowerCase()}\n***`);
  });

  it('show what is no credential', () => {
    for (const name of ['etag', 'x-request-id', 'content-type', 'retry-after', 'location']) {
      expect(answerLines({ [name]: 'v' })).toBe(`${name}\nv`);
    }
  });

  it('can have the names alone', () => {
    expect(hiddenLines(['X-A', 'x-b'])).toBe('X-A\n***\nx-b\n***');
    expect(hiddenLines([])).toBe('');
    expect(readHeaderLines(hiddenLines(['x'.repeat(HEADERS_STORED_CHARACTERS), 'x-b']))).toEqual([
      ['x-b', '***'],
    ]);
  });

  it('leave out whole what has no room, and keep what has', () => {
    const long = 'v'.repeat(HEADERS_STORED_CHARACTERS - 20);
    expect(answerLines({ a: '1', long, c: 'v'.repeat(50), d: '2' })).toBe(`a\n1\nlong\n${long}\nd\n2`);
    expect(answerLines({ long: 'v'.repeat(HEADERS_STORED_CHARACTERS) })).toBe('');
    const exact = 'v'.repeat(HEADERS_STORED_CHARACTERS - 2);
    expect(answerLines({ a: exact })).toBe(`a\n${exact}`);
  });

  it('can be read back whatever a value holds, and never have NUL or more than the limit', () => {
    const name = fc.stringMatching(/^[a-z]{1,10}$/).map((part) => `x-${part}`);
    const value = fc.string({ unit: fc.constantFrom('\n', '\r', '\0', 'é', 'a', ' '), maxLength: 3_000 });
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 8, noNullPrototype: true }), (headers) => {
        const lines = answerLines(headers);
        expect(lines.length).toBeLessThanOrEqual(HEADERS_STORED_CHARACTERS);
        expect(lines).not.toMatch(/[\0\r]/);
        for (const [key, shown] of readHeaderLines(lines)) {
          if (shown !== '***') expect(shown).toBe(headers[key]?.replace(/[\0\r\n]/g, '\uFFFD'));
        }
      }),
    );
  });
});
