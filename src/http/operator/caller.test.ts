import type { RouteOptions } from 'fastify';
import { describe, expect, it } from 'vitest';
import { assertScoped } from './caller.ts';

const route = (method: RouteOptions['method'], config: RouteOptions['config']): RouteOptions => ({
  method,
  url: '/api/v1/thing',
  handler: async () => null,
  ...(config && { config }),
});

describe('a route that changes something', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('must say who may call it: %s', (method) => {
    for (const config of [undefined, {}, { access: 'application' }] as const) {
      expect(() => assertScoped(route(method, config))).toThrow('/api/v1/thing must say which capability');
    }
    for (const config of [
      { access: 'operator' },
      { access: 'anybody' },
      { needs: 'ManageEndpoint' },
      { needs: [] },
    ] as const) {
      expect(() => assertScoped(route(method, config))).not.toThrow();
    }
  });

  it('is meant also where it takes other verbs beside', () => {
    expect(() => assertScoped(route(['GET', 'POST'], {}))).toThrow();
    expect(() => assertScoped(route(['GET', 'HEAD'], {}))).not.toThrow();
  });
});
