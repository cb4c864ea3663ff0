import { describe, expect, it } from 'vitest';
import { delaysOf, fieldsOf, headerChangesOf, NEW_DRAFT, newHookOf, urlProblem } from './draft.ts';

describe('a draft', () => {
  it('asks for nothing but what was filled in', () => {
    expect(newHookOf({ ...NEW_DRAFT, url: ' https://example.com ' })).toEqual({
      url: 'https://example.com',
      description: '',
      eventTypes: null,
      throttleRate: null,
      maxInFlight: null,
      ordering: 'none',
      retrySchedule: { preset: 'default' },
      headers: {},
    });
  });

  it('says where a text is not what belongs there', () => {
    const draft = { ...NEW_DRAFT, retries: 'own' as const, delays: '5s, soon' };
    expect(() => fieldsOf(draft)).toThrow(expect.objectContaining({ place: 'retrySchedule' }));
    expect(() => fieldsOf({ ...NEW_DRAFT, throttleRate: '2.5' })).toThrow(
      expect.objectContaining({ place: 'throttleRate' }),
    );
  });

  it('reads waits in every unit', () => {
    expect(delaysOf('500ms, 5s 5m;2h, 1d, 30')).toEqual([0.5, 5, 300, 7_200, 86_400, 30]);
    expect(delaysOf('')).toEqual([]);
  });

  it.each([
    ['', /^Write the URL/],
    ['example.com', /^Begin with/],
    ['ftp://example.com', /^Begin with/],
    ['https://', /not a URL/],
    ['https://ana:secret@example.com', /user name/],
    ['https://example.com/hooks', undefined],
  ])('has something to say of the URL %j', (url, said) => {
    if (said === undefined) expect(urlProblem(url)).toBeUndefined();
    else expect(urlProblem(url)).toMatch(said);
  });
});

describe('headers', () => {
  const stored = { headers: { 'X-A': '1', 'X-B': '2' }, sensitive: ['Authorization'] };
  const rows = [
    { row: 0, name: 'X-A', value: '1' },
    { row: 1, name: 'X-B', value: '2' },
    { row: 2, name: 'Authorization', value: null },
  ];

  it('that stay are not sent, nor is a value that is not shown', () => {
    expect(headerChangesOf({ ...NEW_DRAFT, headers: rows }, stored)).toBeNull();
  });

  it('are set, replaced and removed', () => {
    const headers = [
      { row: 0, name: 'X-A', value: 'one' },
      { row: 2, name: 'Authorization', value: 'Bearer new' },
      { row: 3, name: 'X-C', value: '3' },
      { row: 4, name: '', value: '' },
    ];
    expect(headerChangesOf({ ...NEW_DRAFT, headers }, stored)).toEqual({
      headers: { 'X-A': 'one', Authorization: 'Bearer new', 'X-C': '3', 'X-B': null },
    });
  });
});
