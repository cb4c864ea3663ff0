import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import type { Application } from '../model/application.ts';
import { createIds } from '../model/id.ts';
import { openSqliteStore } from '../store/sqlite/open.ts';
import type { Store } from '../store/store.ts';
import { Registry } from './registry.ts';

let folder: string;
let store: Store;
/** What the registry told of. */
let told: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-registry-'));
  store = await openSqliteStore({ folder });
  told = [];
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

function newRegistry(over: Partial<Store> = {}): Registry {
  const clock = new ManualClock();
  const random = seededRandom(1);
  return new Registry({
    store: { ...store, ...over },
    clock,
    random,
    ids: createIds(clock, random),
    masterKey: { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) },
    onEndpointChanged: (key) => told.push(`endpoint ${key} changed`),
    onEndpointDeleted: (key) => told.push(`endpoint ${key} deleted`),
    onApplicationDeleted: (key) => told.push(`application ${key} deleted`),
  });
}

const newApplication = (registry: Registry) =>
  registry.applicationCreate({ uid: null, name: 'A', throttleRate: null, metadata: {} });
const newEndpoint = (registry: Registry, application: Application, fields: object = {}) =>
  registry.endpointCreate(application, {
    uid: null,
    url: 'http://a.example',
    href: 'http://a.example/',
    description: '',
    disabled: false,
    eventTypes: null,
    channels: null,
    throttleRate: null,
    version: 1,
    metadata: {},
    headers: {},
    secret: null,
    ...fields,
  });

describe('what is in memory', () => {
  it('is read once for all who ask at the same time', async () => {
    let reads = 0;
    const registry = newRegistry({
      endpointList: (params) => {
        reads++;
        return store.endpointList(params);
      },
    });
    const { key } = await newApplication(registry);
    await Promise.all(Array.from({ length: 50 }, () => registry.endpoints(key)));
    expect(reads).toBe(1);
    await expect(registry.withEndpoints(99)).rejects.toThrow();
    await expect(registry.withEndpoints(99)).rejects.toThrow();
  });

  it('is no older than a change that was made while it was read', async () => {
    let letRead = () => {};
    let reads = 0;
    const registry = newRegistry({
      endpointList: async (params) => {
        const found = await store.endpointList(params);
        // The first read has its rows, and is slow to bring them.
        if (++reads === 1) await new Promise<void>((resolve) => (letRead = resolve));
        return found;
      },
    });
    const before = newRegistry();
    const application = await newApplication(before);
    const { endpoint } = await newEndpoint(before, application);
    const slow = registry.withEndpoints(application.key);
    await expect.poll(() => reads).toBe(1);
    await registry.endpointDelete(application, endpoint);
    letRead();
    expect((await slow).endpoints).toEqual([]);
    expect([reads, registry.endpoints(application.key)]).toEqual([2, []]);
  });

  it('needs no read for what it names', async () => {
    let reads = 0;
    const registry = newRegistry({
      applicationFind: (params) => {
        reads++;
        return store.applicationFind(params);
      },
    });
    const application = await newApplication(registry);
    await registry.withEndpoints(application.key);
    for (const ref of [application.id, '1', application.id, '1']) await registry.application(ref);
    expect(reads).toBe(2);
  });

  it('comes back after a store that could not be read', async () => {
    let fails = true;
    const registry = newRegistry({
      eventTypeList: () => (fails ? Promise.reject(new Error('no')) : store.eventTypeList()),
    });
    await expect(registry.eventTypeList()).rejects.toThrow('no');
    await expect(registry.eventTypes.delete('a')).rejects.toThrow('no');
    fails = false;
    expect(await registry.eventTypeList()).toEqual([]);
  });
});

describe('a destination', () => {
  it('has the rates of the endpoint and of its application, as they are now', async () => {
    const registry = newRegistry();
    const application = await newApplication(registry);
    const { endpoint } = await newEndpoint(registry, application, { headers: { a: 'b' }, throttleRate: 5 });
    const rates = async () => {
      const { throttleRate, applicationThrottleRate } = (await registry.destination(endpoint.key)) ?? {};
      return [throttleRate, applicationThrottleRate];
    };
    expect(await registry.destination(endpoint.key)).toEqual({
      target: {
        applicationKey: application.key,
        href: 'http://a.example/',
        headers: { a: 'b' },
        secrets: [{ text: expect.stringMatching(/^whsec_/), until: null }],
      },
      disabled: false,
      throttleRate: 5,
      applicationThrottleRate: null,
    });
    await registry.endpointUpdate(application, endpoint, { throttleRate: 6 });
    await registry.applicationUpdate(application, { throttleRate: 7 });
    expect(await rates()).toEqual([6, 7]);
    // From memory, at once.
    expect(registry.destination(endpoint.key)).not.toBeInstanceOf(Promise);
  });

  it('is none any more when the endpoint is gone, or its application', async () => {
    const registry = newRegistry();
    const application = await newApplication(registry);
    const first = (await newEndpoint(registry, application)).endpoint;
    const second = (await newEndpoint(registry, application)).endpoint;
    await registry.endpointDelete(application, first);
    expect(await registry.destination(first.key)).toBeNull();
    await registry.applicationDelete(application);
    expect(await registry.destination(second.key)).toBeNull();
    await expect(newEndpoint(registry, application)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('who is told', () => {
  it('of a change is the one that changed, or all of an application whose rate did', async () => {
    const registry = newRegistry();
    const application = await newApplication(registry);
    const { endpoint } = await newEndpoint(registry, application);
    await newEndpoint(registry, application);
    expect(told).toEqual([]);
    await registry.endpointUpdate(application, endpoint, { description: 'x' });
    await registry.endpointRotateSecret(application, endpoint, { secret: null, graceMs: 0 });
    expect(told.splice(0)).toEqual(['endpoint 1 changed', 'endpoint 1 changed']);
    await registry.applicationUpdate(application, { name: 'B' });
    expect(told).toEqual([]);
    await registry.applicationUpdate(application, { throttleRate: 5 });
    expect(told.splice(0)).toEqual(['endpoint 1 changed', 'endpoint 2 changed']);
    await registry.applicationDelete(application);
    expect(told).toEqual(['application 1 deleted', 'endpoint 1 deleted', 'endpoint 2 deleted']);
  });
});
