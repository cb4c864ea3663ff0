import fc from 'fast-check';
import { Client } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { ENDPOINT_HEADER_VALUE_BYTES } from '../limits.ts';
import { headerProblem } from './endpoint-header.ts';

describe('an endpoint', () => {
  it.each([
    ['authorization', 'Bearer é'],
    ['X-Token', 'a b\tc'],
    ['accept', ''],
    ['cookie', 'a=b'],
    ['x-amzing', 'y'],
    ["!#$%&'*+-.^_`|~09", 'x'],
    ['x-long', 'v'.repeat(ENDPOINT_HEADER_VALUE_BYTES)],
  ])('may have %s', (name, value) => {
    expect(headerProblem(name, value)).toBeNull();
  });

  // The protocol's names and prefixes, then those that would change what Posthorn sends or let it be imitated.
  it.each(
    `user-agent keep-alive proxy-authenticate proxy-authorization te trailers transfer-encoding upgrade age
     cache-control clear-site-data expires pragma warning content-length content-type content-encoding
     content-language content-location x-amz-date x-amzn-trace-id x-google x-googlebot x-goog-iap x-gfe x-gfe2
     x-azure-ref x-fd-ref x-svix-id svix-id
     host connection expect accept-encoding http2-settings proxy-connection trailer __proto__ webhook-id
     webhook-signature webhook-anything posthorn-test`.split(/\s+/),
  )('may not have %s, in any case', (name) => {
    for (const spelled of [name, name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)]) {
      expect(headerProblem(spelled, 'x')).toBe(`The header ${spelled} is reserved.`);
    }
  });

  it.each([
    ['', 'x', 'needs a name'],
    ['x a', 'b', 'not valid in HTTP'],
    ['x:a', 'b', 'not valid in HTTP'],
    ['x-ä', 'b', 'not valid in HTTP'],
    ['x-a\r\nx-b', 'b', 'not valid in HTTP'],
    ['x'.repeat(257), 'b', 'longer than 256'],
    ['x-a', 'b\r\nx-c: d', 'line break'],
    ['x-a', 'b\nc', 'line break'],
    ['x-a', 'b\0c', 'control character'],
    ['x-a', '日本', 'latin1'],
    ['x-a', 'v'.repeat(ENDPOINT_HEADER_VALUE_BYTES + 1), 'longer than 4096 bytes'],
    ['x-a', 7, 'not text'],
    ['x-a', null, 'not text'],
  ])('may not have %j: %j', (name, value, problem) => {
    expect(headerProblem(name, value)).toContain(problem);
  });

  it('is not told its value again, which may be a credential', () => {
    expect(headerProblem('x-a', 'hunter2\n')).not.toContain('hunter2');
  });
});

describe('a header without a problem', () => {
  const client = new Client('http://127.0.0.1:9', {
    connect: (_options, done) => done(new Error('no'), null),
  });
  afterAll(() => client.destroy());

  it('is one that the HTTP client takes, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/)),
        fc.string({ unit: 'binary' }),
        async (name, value) => {
          fc.pre(headerProblem(name, value) === null);
          const request = client.request({ method: 'POST', path: '/', headers: [name, value] });
          await expect(request).rejects.toThrow('no');
        },
      ),
    );
  });
});
