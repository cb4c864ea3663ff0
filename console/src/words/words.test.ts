import { describe, expect, it } from 'vitest';
import { counted } from './dictionary.ts';
import { durationText, utcTime } from './times.ts';
import { shortId, urlParts, visible } from './visible.ts';

describe('what others wrote', () => {
  it('shows what cannot be seen, and what turns the order of writing', () => {
    expect(visible('a\u202egnp.exe')).toBe('a\\u202egnp.exe');
    expect(visible('\u001b[31mred\u0000')).toBe('\\u001b[31mred\\u0000');
    expect(visible('one\ntwo')).toBe('one\\u000atwo');
    expect(visible('one\n\ttwo\u2066', 'many')).toBe('one\n\ttwo\\u2066');
    expect(visible('Grüße, 你好 <b>')).toBe('Grüße, 你好 <b>');
  });

  it.each([
    [
      'https://example.com/hooks?a=1',
      { scheme: 'https', host: 'example.com', path: '/hooks?a=1', ascii: null },
    ],
    ['http://127.0.0.1:9000', { scheme: 'http', host: '127.0.0.1:9000', path: '', ascii: null }],
    ['https://EXAMPLE.com/', { scheme: 'https', host: 'EXAMPLE.com', path: '/', ascii: null }],
    [
      'https://exаmple.com/',
      { scheme: 'https', host: 'exаmple.com', path: '/', ascii: 'xn--exmple-4nf.com' },
    ],
    ['not a url', { scheme: '', host: 'not a url', path: '', ascii: null }],
  ])('takes %s apart', (url, parts) => {
    expect(urlParts(url)).toEqual(parts);
  });
});

it('writes spans with their units', () => {
  expect([90, 999, 1_000, 5_500, 90_000, 3_600_000, 99_360_000, 604_800_000].map(durationText)).toEqual([
    '90 ms',
    '999 ms',
    '1 s',
    '5.5 s',
    '1 min 30 s',
    '1 h',
    '27.6 h',
    '7 d',
  ]);
});

it('writes the exact time', () => {
  expect(utcTime(Date.UTC(2026, 4, 3, 12, 5, 9, 123))).toBe('2026-05-03 12:05:09.123 UTC');
});

it('shortens ids in the middle, and counts in words', () => {
  expect(shortId('ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY')).toBe('ep_2nZK…SrEQhY');
  expect(shortId('1_20260501071947')).toBe('1_20260501071947');
  expect([counted(1, 'web hook'), counted(0, 'delivery', 'deliveries')]).toEqual([
    '1 web hook',
    '0 deliveries',
  ]);
});
