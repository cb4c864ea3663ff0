import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addApplication, addEndpoint, registryOn, retrySchedule } from '../../test/helpers/registry.ts';
import { announcementTypes } from '../model/announcement.ts';
import type { Task } from '../model/task.ts';
import { openSqliteStore } from '../store/sqlite/open.ts';
import type { Store } from '../store/store.ts';
import type { EndpointFieldChanges, RegisteredEndpoint, Registry } from './registry.ts';

let folder: string;
let store: Store;
/** What the registry told of. */
let told: string[];
let tasks: Task[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-registry-'));
  store = await openSqliteStore({ folder });
  told = [];
  tasks = [];
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const withClock = (over: Partial<Store> = {}) => registryOn({ ...store, ...over }, { told, tasks });
const newRegistry = (over: Partial<Store> = {}): Registry => withClock(over).registry;

describe('what is in memory', () => {
  it('is read once for all who ask at the same time', async () => {
    let reads = 0;
    const registry = newRegistry({
      endpointList: (params) => {
        reads++;
        return store.endpointList(params);
      },
    });
    const { key } = await addApplication(registry);
    await Promise.all(Array.from({ length: 50 }, () => registry.registered(key)));
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
    const application = await addApplication(before);
    const { endpoint } = await addEndpoint(before, application);
    const slow = registry.withEndpoints(application.key);
    await expect.poll(() => reads).toBe(1);
    await registry.endpointDelete(application, endpoint);
    letRead();
    expect((await slow).endpoints).toEqual([]);
    expect([reads, await registry.endpointList(application)]).toEqual([2, []]);
  });

  it('needs no read for what it names', async () => {
    let reads = 0;
    const registry = newRegistry({
      applicationFind: (params) => {
        reads++;
        return store.applicationFind(params);
      },
    });
    const application = await addApplication(registry);
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
    const application = await addApplication(registry);
    const { endpoint } = await addEndpoint(registry, application, { headers: { a: 'b' }, throttleRate: 5 });
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
      heldReason: null,
      throttleRate: 5,
      applicationThrottleRate: null,
      maxInFlight: 32,
      ordering: 'none',
      retryPolicy: { schedule: retrySchedule, finalStatuses: [] },
    });
    await registry.endpointUpdate(application, endpoint, { throttleRate: 6 });
    await registry.applicationUpdate(application, { throttleRate: 7 });
    expect(await rates()).toEqual([6, 7]);
    // From memory, at once.
    expect(registry.destination(endpoint.key)).not.toBeInstanceOf(Promise);
  });

  it('is none any more when the endpoint is gone, or its application', async () => {
    const registry = newRegistry();
    const application = await addApplication(registry);
    const first = (await addEndpoint(registry, application)).endpoint;
    const second = (await addEndpoint(registry, application)).endpoint;
    await registry.endpointDelete(application, first);
    expect(await registry.destination(first.key)).toBeNull();
    await registry.applicationDelete(application);
    expect(await registry.destination(second.key)).toBeNull();
    await expect(addEndpoint(registry, application)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('who is told', () => {
  it('of a change is the one that changed, or all of an application whose rate did', async () => {
    const registry = newRegistry();
    const application = await addApplication(registry);
    const { endpoint } = await addEndpoint(registry, application);
    await addEndpoint(registry, application);
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

describe('an endpoint that takes nothing', () => {
  const standing = ({ endpoint }: RegisteredEndpoint) => {
    const { disabled, disabledReason, disabledAt, pausedAt } = endpoint;
    return [disabled, disabledReason, disabledAt, pausedAt];
  };

  it('says since when, and by whom it was disabled', async () => {
    const { registry, clock } = withClock();
    const application = await addApplication(registry);
    const made = await addEndpoint(registry, application, { disabled: true, paused: true });
    const first = clock.now();
    expect(standing(made)).toEqual([true, 'manual', first, first]);
    await clock.advance(1_000);
    const change = async (changes: EndpointFieldChanges) =>
      standing(await registry.endpointUpdate(application, made.endpoint, changes));
    // What it was already, it is since then.
    expect(await change({ disabled: true, paused: true })).toEqual([true, 'manual', first, first]);
    expect(await change({ description: 'x' })).toEqual([true, 'manual', first, first]);
    expect(await change({ disabled: false })).toEqual([false, null, null, first]);
    expect(await change({ paused: false })).toEqual([false, null, null, null]);
    expect(await change({ disabled: true })).toEqual([true, 'manual', first + 1_000, null]);
  });

  it('lets go what a pause held when that ends, unless it is disabled then', async () => {
    const { registry } = withClock();
    const application = await addApplication(registry);
    const { endpoint } = await addEndpoint(registry, application);
    const change = (changes: EndpointFieldChanges) => registry.endpointUpdate(application, endpoint, changes);
    await change({ paused: true });
    await change({ paused: true, disabled: true });
    await change({ paused: false });
    await change({ disabled: false });
    expect([tasks, await store.taskListRunning()]).toEqual([[], []]);
    await change({ paused: true });
    await change({ paused: false });
    expect(tasks).toEqual([
      expect.objectContaining({ kind: 'release', sourceKey: endpoint.key, targetKey: endpoint.key }),
    ]);
    expect(await store.taskListRunning()).toEqual(tasks);
  });

  it('may be disabled for what it answered: once, and as long as it is there', async () => {
    const { registry, clock } = withClock();
    const application = await addApplication(registry);
    const { endpoint } = await addEndpoint(registry, application);
    const disable = (endpointKey: number) =>
      registry.endpointDisable(endpointKey, { reason: 'gone', since: clock.now() });
    expect(await disable(endpoint.key)).toBe(true);
    expect(standing(await registry.endpoint(application, endpoint.id))).toEqual([
      true,
      'gone',
      clock.now(),
      null,
    ]);
    expect(await disable(endpoint.key)).toBe(false);
    // A person who says so too changes nothing.
    await registry.endpointUpdate(application, endpoint, { disabled: true });
    expect((await registry.endpoint(application, endpoint.id)).endpoint.disabledReason).toBe('gone');
    told.length = 0;
    await registry.endpointUpdate(application, endpoint, { disabled: false });
    expect(told).toEqual(['endpoint 1 enabled', 'endpoint 1 changed']);
    await registry.endpointDelete(application, endpoint);
    expect(await disable(endpoint.key)).toBe(false);
    expect(await disable(99)).toBe(false);
  });

  it('is known by a registry that never had it in memory', async () => {
    const first = withClock().registry;
    const application = await addApplication(first);
    const { endpoint } = await addEndpoint(first, application);
    const { registry } = withClock();
    expect(await registry.endpointDisable(endpoint.key, { reason: 'failing', since: 0 })).toBe(true);
    expect((await registry.destination(endpoint.key))?.heldReason).toBe('endpoint_disabled');
  });
});

describe('operators', () => {
  const types = async () => (await store.announcementList({ limit: 100 })).map(({ type }) => type);

  it('are told of endpoints once one of theirs listens, and not of that', async () => {
    const { registry } = withClock();
    await registry.start();
    const application = await addApplication(registry);
    await addEndpoint(registry, application);
    expect(registry.announces(application.key, 'endpoint.updated')).toBe(false);
    const listener = await addEndpoint(registry, registry.operational);
    await registry.endpointUpdate(registry.operational, listener.endpoint, { disabled: true });
    expect(await types()).toEqual([]);
    expect(told).not.toContain('announced');
    expect(registry.announces(application.key, 'endpoint.updated')).toBe(true);
    expect(registry.announces(registry.operational.key, 'endpoint.updated')).toBe(false);

    const { endpoint } = await addEndpoint(registry, application, { uid: 'mine' });
    await registry.endpointRotateSecret(application, endpoint, { secret: null, graceMs: 0 });
    await registry.endpointUpdate(application, endpoint, { headers: { a: 'b' } });
    await registry.endpointUpdate(application, endpoint, { disabled: true });
    await registry.endpointUpdate(application, endpoint, { disabled: false });
    await registry.endpointDisable(endpoint.key, { reason: 'failing', since: 0 });
    expect(registry.endpointIsKnown(endpoint.key)).toBe(true);
    await registry.endpointDelete(application, endpoint);
    expect(registry.endpointIsKnown(endpoint.key)).toBe(false);
    const announced = await store.announcementList({ limit: 100 });
    expect(announced.map(({ type }) => type)).toEqual([
      'endpoint.created',
      'endpoint.updated',
      'endpoint.updated',
      'endpoint.updated',
      'endpoint.disabled',
      'endpoint.updated',
      'endpoint.enabled',
      'endpoint.updated',
      'endpoint.disabled',
      'endpoint.deleted',
    ]);
    const names = {
      appId: application.id,
      appUid: null,
      endpointId: endpoint.id,
      endpointUid: 'mine',
    };
    const data = announced.map((each) => ('data' in each ? each.data : null));
    expect(data[0]).toEqual(names);
    expect(data[8]).toEqual({ ...names, reason: 'failing', failSince: '1970-01-01T00:00:00.000Z' });

    await registry.endpointDelete(registry.operational, listener.endpoint);
    await addEndpoint(registry, application);
    expect(await types()).toHaveLength(10);
  });

  it('are told only what one of theirs listens to', async () => {
    const { registry } = withClock();
    await registry.start();
    const application = await addApplication(registry);
    const { operational } = registry;
    const listener = await addEndpoint(registry, operational, { eventTypes: ['endpoint.disabled'] });
    const heard = () => announcementTypes.filter((type) => registry.announces(application.key, type));
    expect(heard()).toEqual(['endpoint.disabled']);
    const { endpoint } = await addEndpoint(registry, application);
    await registry.destination(endpoint.key);
    expect(registry.failingAnnouncements(endpoint.key, { since: 0, disableAt: 9 })).toEqual([]);
    expect(told).not.toContain('announced');
    await registry.endpointUpdate(application, endpoint, { disabled: true });
    expect(await types()).toEqual(['endpoint.disabled']);
    expect(told).toContain('announced');
    const listen = (eventTypes: string[]) =>
      registry.endpointUpdate(operational, listener.endpoint, { eventTypes });
    // A recovery is told of where a failure was.
    await listen(['message.attempt.recovered']);
    expect(heard()).toEqual(announcementTypes.filter((type) => type.startsWith('message.')));
    await listen(['endpoint.*']);
    expect(heard()).toEqual(announcementTypes.filter((type) => type.startsWith('endpoint.')));
    await registry.endpointDelete(operational, listener.endpoint);
    expect(heard()).toEqual([]);
  });

  it('are told by what they listen to now, also when a read from before that is slow to come', async () => {
    let letRead: (() => void) | null = null;
    let isSlow = false;
    const { registry } = withClock({
      endpointList: async (params) => {
        const found = await store.endpointList(params);
        // It has its rows already.
        if (isSlow) {
          isSlow = false;
          await new Promise<void>((resolve) => {
            letRead = resolve;
          });
        }
        return found;
      },
    });
    await registry.start();
    const { operational } = registry;
    const application = await addApplication(registry);
    const hears = () => registry.announces(application.key, 'endpoint.created');
    isSlow = true;
    const looked = registry.look();
    await expect.poll(() => letRead).not.toBeNull();
    const { endpoint } = await addEndpoint(registry, operational);
    expect(hears()).toBe(true);
    (letRead as unknown as () => void)();
    await looked;
    expect(hears()).toBe(true);
    letRead = null;
    isSlow = true;
    const lookedAgain = registry.look();
    await expect.poll(() => letRead).not.toBeNull();
    await registry.endpointDelete(operational, endpoint);
    (letRead as unknown as () => void)();
    await lookedAgain;
    expect(hears()).toBe(false);
  });

  it('are told by the next run, too, and before an endpoint is disabled', async () => {
    const first = withClock().registry;
    await first.start();
    await addEndpoint(first, first.operational);
    const application = await addApplication(first);
    const { endpoint } = await addEndpoint(first, application);
    const { registry } = withClock();
    await registry.start();
    expect(registry.operational.id).toBe(first.operational.id);
    expect(registry.announces(application.key, 'endpoint.updated')).toBe(true);
    const times = { since: 0, disableAt: 1_000 };
    expect(registry.failingAnnouncements(endpoint.key, times)).toBeNull();
    expect(registry.endpointIsKnown(endpoint.key)).toBe(false);
    await registry.destination(endpoint.key);
    expect(registry.failingAnnouncements(endpoint.key, times)).toEqual([
      {
        applicationKey: application.key,
        type: 'endpoint.failing',
        data: expect.objectContaining({
          endpointId: endpoint.id,
          failSince: '1970-01-01T00:00:00.000Z',
          disableAt: '1970-01-01T00:00:01.000Z',
        }),
      },
    ]);
  });

  it('have an application that stays as it is', async () => {
    const { registry } = withClock();
    await registry.start();
    const conflict = { code: 'conflict' };
    await expect(registry.applicationUpdate(registry.operational, { name: 'B' })).rejects.toMatchObject(
      conflict,
    );
    await expect(registry.applicationDelete(registry.operational)).rejects.toMatchObject(conflict);
  });
});
