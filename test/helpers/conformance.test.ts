import { describe, expect, it } from 'vitest';
import { Conformance, type OpenApiDocument } from './conformance.ts';

const json = (schema: object) => ({ description: 'x', content: { 'application/json': { schema } } });
const operation = (responses: object) => ({ operationId: 'read', summary: 'x', security: [], responses });

const conformance = new Conformance({
  openapi: '3.1.0',
  info: { title: 'x', version: '1' },
  paths: {
    '/thing/{id}': {
      get: operation({ 200: json({ $ref: '#/components/schemas/Thing' }) }),
      delete: operation({ 204: { description: 'x' } }),
    },
    '/thing/batch': { get: operation({ 200: json({ type: 'array' }) }) },
  },
  components: {
    schemas: {
      Thing: {
        type: 'object',
        required: ['at'],
        properties: {
          at: { type: 'string', format: 'date-time' },
          note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        },
      },
    },
    securitySchemes: {},
  },
} as unknown as OpenApiDocument);

const problems = (method: string, path: string, status: number, text: string) =>
  conformance.problems({ method, path, status, text });

describe('what an answer may not be', () => {
  it('finds nothing in one that is as documented', () => {
    expect(problems('GET', '/thing/1?x=1', 200, '{"at":"2026-01-01T00:00:00Z","note":null}')).toEqual([]);
    expect(problems('GET', '/thing/batch/', 200, '[]')).toEqual([]);
    expect(problems('DELETE', '/thing/1', 204, '')).toEqual([]);
    expect(problems('GET', '/nothing', 404, '{}')).toEqual([]);
  });

  it.each([
    ['a missing field', '{}', /required property 'at'/],
    ['a wrong type', '{"at":"2026-01-01T00:00:00Z","note":1}', /^\/note must be string/],
    ['a wrong format', '{"at":"yesterday"}', /^\/at must match format/],
    [
      'a field that is not documented',
      '{"at":"2026-01-01T00:00:00Z","more":1}',
      /additional properties.*more/,
    ],
    ['what is no JSON', '{', /not JSON/],
  ])('finds %s', (_what, text, problem) => {
    expect(problems('GET', '/thing/1', 200, text)).toEqual([expect.stringMatching(problem)]);
  });

  it('finds a status, a body and a path that are not documented', () => {
    expect(problems('GET', '/thing/1', 201, '{}')).toEqual([
      expect.stringMatching(/201 is not documented for read/),
    ]);
    expect(problems('DELETE', '/thing/1', 204, '{}')).toEqual([expect.stringMatching(/no body/)]);
    expect(problems('GET', '/nothing', 200, '{}')).toEqual([expect.stringMatching(/not documented/)]);
  });
});
