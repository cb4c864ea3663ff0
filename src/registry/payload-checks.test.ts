import { describe, expect, it } from 'vitest';
import type { EventType, Validation } from '../model/event-type.ts';
import { PayloadChecks, schemaFault } from './payload-checks.ts';

const SCHEMA = {
  type: 'object',
  required: ['ticket'],
  properties: {
    ticket: {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        'a/b': { type: 'string' },
        tags: { type: 'array', items: { type: 'string' } },
        mail: { type: 'string', format: 'email' },
      },
      additionalProperties: false,
    },
  },
};

function checks(schemas: EventType['schemas'], validation: Validation = 'reject'): PayloadChecks {
  const made = new PayloadChecks();
  made.set({ name: 'a', schemas, validation } as EventType);
  return made;
}

/** Where the problems are. */
const paths = (made: PayloadChecks, payload: unknown) =>
  made.problems('a', payload)?.problems.map(({ path }) => path) ?? null;

describe('a payload', () => {
  it('is as its schema says, or has problems, each with its place', () => {
    const made = checks({ 1: SCHEMA });
    expect(made.problems('a', { ticket: { id: 1, tags: ['x'], mail: 'a@b.example' } })).toBeNull();
    expect(made.problems('a', { ticket: { id: 'one' } })).toEqual({
      validation: 'reject',
      problems: [{ path: ['ticket', 'id'], message: 'must be integer' }],
    });
    const wrong = { ticket: { 'a/b': 1, tags: ['x', 2], more: 1, mail: 'nobody' } };
    expect(paths(made, wrong)?.toSorted()).toEqual([
      ['ticket', 'a/b'],
      ['ticket', 'mail'],
      ['ticket', 'more'],
      ['ticket', 'tags', 1],
    ]);
    expect(paths(made, {})).toEqual([['ticket']]);
    expect(paths(made, [])).toEqual([[]]);
  });

  it('has no more problems than a person reads', () => {
    const made = checks({ 1: SCHEMA });
    expect(paths(made, { ticket: { tags: Array(1_000).fill(0) } })).toHaveLength(20);
  });

  it('is looked at only when its event type asks for that, as it is now', () => {
    expect(checks({ 1: SCHEMA }, 'off').problems('a', {})).toBeNull();
    expect(checks(null).problems('a', {})).toBeNull();
    const made = checks({ 1: SCHEMA }, 'warn');
    expect(made.problems('b', {})).toBeNull();
    expect(made.problems('a', {})?.validation).toBe('warn');
    made.set({ name: 'a', schemas: { 1: true }, validation: 'reject' } as unknown as EventType);
    expect(made.problems('a', {})).toBeNull();
    made.set({ name: 'a', schemas: { 1: SCHEMA }, validation: 'reject' } as unknown as EventType);
    made.delete('a');
    expect(made.problems('a', {})).toBeNull();
  });

  it('goes by the version with the highest number', () => {
    const made = checks({ 10: true, draft: false, 9: false, 2: false });
    expect(made.problems('a', {})).toBeNull();
  });
});

describe('a schema', () => {
  it.each([
    [
      'of another draft, whose name alone is known',
      { $schema: 'https://json-schema.org/draft/2020-12/schema' },
    ],
    ['with a name that another has, too', { $id: 'https://example.com/a' }],
    ['with words and formats that no draft has', { 'x-note': 1, properties: { a: { format: 'ticket' } } }],
    ['that refers to a place in itself', { $ref: '#/definitions/a', definitions: { a: { type: 'object' } } }],
  ])('%s checks', (_, schema) => {
    for (let times = 0; times < 2; times++) expect(schemaFault({ 1: schema })).toBeNull();
    expect(checks({ 1: schema }).problems('a', {})).toBeNull();
  });

  it.each([
    ['refers to what is not there', { $ref: 'https://example.com/b' }],
    ['has a pattern that is none', { properties: { a: { pattern: '(' } } }],
    ['is asynchronous', { $async: true, type: 'object' }],
  ])('that %s does not', (_, schema) => {
    expect(schemaFault({ 1: schema })).not.toBeNull();
  });
});
