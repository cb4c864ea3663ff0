import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { type TestDatabase, testDatabase } from '../../test/helpers/postgres.ts';
import { addApplication, addEndpoint, registryOn } from '../../test/helpers/registry.ts';
import type { Application } from '../model/application.ts';
import { openPostgresStore } from '../store/postgres/open.ts';
import { type Store, StoreError } from '../store/store.ts';
import { systemClock } from '../system/clock.ts';
import { Keyring } from './keyring.ts';
import type { EndpointFieldChanges, Registry } from './registry.ts';

let database: TestDatabase;
const stores: Store[] = [];
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await database.dispose();
});

/** What a process has of a database that others change too. It hears of nothing but what the test tells it. */
async function process(over: (store: Store) => Partial<Store> = () => ({})) {
  const opened = await openPostgresStore({ url: database.url, clock: systemClock });
  stores.push(opened);
  const store = { ...opened, ...over(opened) };
  const made = registryOn(store, {
    seed: stores.length,
    clock: new ManualClock(Date.now() + stores.length),
  });
  const { registry, told, clock, random, ids } = made;
  await registry.start();
  const keyring = new Keyring({ store, clock, random, ids, log: { warn: () => {} } });
  const hear = async (application: Application) => {
    told.length = 0;
    registry.heardChange([application.key]);
    await registry.withEndpoints(application.key).catch(() => {});
  };
  return { store, registry, keyring, told, hear };
}

const change = async (
  registry: Registry,
  application: Application,
  id: string,
  changes: EndpointFieldChanges,
) => {
  const { endpoint } = await registry.endpoint(await registry.applicationNow(application.id), id);
  await registry.endpointUpdate(application, endpoint, changes);
};

describe('what another process changed', () => {
  it('is there for people at once, by every name', async () => {
    const [one, other] = [await process(), await process()];
    const application = await addApplication(one.registry, 'acme');
    const {
      endpoint: { id },
    } = await addEndpoint(one.registry, application, { description: 'first' });
    const shown = async (ref: string) => {
      const found = await other.registry.applicationNow(ref);
      return (await other.registry.endpoint(found, id)).endpoint.description;
    };
    expect(await shown('acme')).toBe('first');
    await change(one.registry, application, id, { description: 'second' });
    expect(await shown('acme')).toBe('second');
    await change(one.registry, application, id, { description: 'third' });
    // By a name that it was not asked for with before.
    expect(await shown('1')).toBe('third');
    await change(one.registry, application, id, { description: 'fourth' });
    const { key } = await other.registry.applicationByKey(application.key);
    expect((await other.registry.endpointList({ key } as Application))[0]?.endpoint.description).toBe(
      'fourth',
    );
    await one.registry.applicationUpdate(application, { uid: 'other' });
    await expect(other.registry.applicationNow('acme')).rejects.toMatchObject({ code: 'not_found' });
    expect((await other.registry.applicationNow('other')).uid).toBe('other');
    await one.registry.applicationDelete(application);
    await expect(other.registry.applicationNow('other')).rejects.toMatchObject({ code: 'not_found' });
    await expect(other.registry.applicationByKey(application.key)).rejects.toMatchObject({
      code: 'not_found',
    });
    // One that has the name of one that is gone is another.
    const successor = await addApplication(one.registry, 'other');
    expect((await other.registry.applicationNow('other')).key).toBe(successor.key);
  });

  it('is what a change is made on', async () => {
    const [one, other] = [await process(), await process()];
    const application = await addApplication(one.registry);
    const {
      endpoint: { id, key },
    } = await addEndpoint(one.registry, application);
    await other.registry.withEndpoints(application.key);
    await change(one.registry, application, id, { metadata: { a: '1' } });
    await other.registry.endpointUpdate(application, { key } as never, ({ endpoint }) => ({
      metadata: { ...endpoint.metadata, b: '2' },
    }));
    const { endpoint } = (await one.registry.applicationNow(application.id)) && {
      ...(await one.registry.endpoint(application, id)),
    };
    expect(endpoint.metadata).toEqual({ a: '1', b: '2' });
  });

  it('leads to what the same change of its own would, and to nothing for what is as it was', async () => {
    const [one, other] = [await process(), await process()];
    const application = await addApplication(one.registry);
    const added: string[] = [];
    for (let n = 0; n < 4; n++) added.push((await addEndpoint(one.registry, application)).endpoint.id);
    const [first, second, third] = added as [string, string, string];
    const [a, b, c, d] = (await other.registry.withEndpoints(application.key)).endpoints.map(
      ({ endpoint }) => endpoint.key,
    );
    await change(one.registry, application, first, { disabled: true });
    await other.hear(application);
    expect(other.told).toEqual([`endpoint ${a} changed`]);
    await change(one.registry, application, first, { disabled: false });
    await change(one.registry, application, second, { description: 'Another' });
    await one.registry.endpointDelete(
      application,
      (await one.registry.endpoint(application, third)).endpoint,
    );
    await addEndpoint(one.registry, application);
    await other.hear(application);
    expect(other.told).toEqual([
      `endpoint ${a} enabled`,
      `endpoint ${a} changed`,
      `endpoint ${b} changed`,
      `endpoint ${c} deleted`,
    ]);
    await other.hear(application);
    expect(other.told).toEqual([]);
    await one.registry.applicationUpdate(application, { throttleRate: 5 });
    await other.hear(application);
    expect(other.told.slice(0, 3)).toEqual([
      `endpoint ${a} changed`,
      `endpoint ${b} changed`,
      `endpoint ${d} changed`,
    ]);
    await one.registry.applicationDelete(application);
    await other.hear(application);
    expect(other.told.slice(0, 4)).toEqual([
      `application ${application.key} deleted`,
      `endpoint ${a} deleted`,
      `endpoint ${b} deleted`,
      `endpoint ${d} deleted`,
    ]);
    await other.hear(application);
    expect(other.told).toEqual([]);
  });

  it('is told of whoever finds it out: a person, a refused publish, or a look at everything', async () => {
    const [one, other] = [await process(), await process()];
    const application = await addApplication(one.registry);
    const {
      endpoint: { id, key },
    } = await addEndpoint(one.registry, application);
    const before = (await other.registry.withEndpoints(application.key)).application.revision;
    await change(one.registry, application, id, { description: 'second' });
    await other.registry.endpoint(await other.registry.applicationByKey(application.key), id);
    expect(other.told).toEqual([`endpoint ${key} changed`]);
    // The signal that comes after it has nothing new.
    await other.hear(application);
    expect(other.told).toEqual([]);
    await change(one.registry, application, id, { description: 'third' });
    other.registry.outdated(application.key, before);
    expect(other.registry.registered(application.key)).not.toBeInstanceOf(Promise);
    other.registry.outdated(application.key, before + 1);
    await other.registry.registered(application.key);
    expect(other.told).toEqual([`endpoint ${key} changed`]);
    await change(one.registry, application, id, { description: 'fourth' });
    await other.registry.look();
    await other.registry.withEndpoints(application.key);
    expect(other.told.slice(1)).toEqual([`endpoint ${key} changed`]);
    await other.registry.look();
    await other.registry.withEndpoints(application.key);
    expect(other.told).toHaveLength(2);
  });

  it('may be anything as long as the store does not say, and is told of when it does', async () => {
    let away = false;
    const one = await process();
    const other = await process((store) => ({
      endpointList: (params) =>
        away ? Promise.reject(new StoreError('unavailable', 'Not now.')) : store.endpointList(params),
    }));
    const application = await addApplication(one.registry);
    const {
      endpoint: { id, key },
    } = await addEndpoint(one.registry, application);
    await other.registry.withEndpoints(application.key);
    await change(one.registry, application, id, { description: 'second' });
    away = true;
    await other.hear(application);
    expect(other.told).toEqual([`endpoint ${key} unsure`]);
    expect(other.registry.endpointIsKnown(key)).toBe(true);
    away = false;
    await other.registry.withEndpoints(application.key);
    expect(other.told).toEqual([`endpoint ${key} unsure`, `endpoint ${key} changed`]);
  });
});

describe('the count of changes in memory', () => {
  it('is that of the store after each change of its own', async () => {
    const { registry, store } = await process();
    const application = await addApplication(registry);
    const check = async () => {
      const inMemory = await registry.registered(application.key);
      const [found] = await store.applicationRevisions({ applicationKeys: [application.key] });
      expect(inMemory.application.revision).toBe(found?.revision);
    };
    const {
      endpoint: { id, key },
    } = await addEndpoint(registry, application);
    await check();
    await change(registry, application, id, { disabled: true });
    await check();
    await registry.applicationUpdate(application, { name: 'B' });
    await check();
    await registry.endpointRotateSecret(application, { key, id } as never, { secret: null, graceMs: 0 });
    await check();
    await registry.endpointDelete(application, { key } as never);
    await check();
  });

  it('is never that of the store while another change is missing', async () => {
    const seed = 11;
    const random = seededRandom(seed);
    const nodes = [await process(), await process()] as const;
    const application = await addApplication(nodes[0].registry);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await addEndpoint(nodes[0].registry, application)).endpoint.id);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random.fraction() * all.length)] as T;
    const work = async (step: number) => {
      const { registry } = pick(nodes);
      const kind = random.fraction();
      if (kind < 0.1) await registry.applicationUpdate(application, { name: `name ${step}` });
      else if (kind < 0.2) await addEndpoint(registry, application);
      else if (kind < 0.3) registry.heardChange([application.key]);
      else await change(registry, application, pick(ids), { description: `step ${step}` });
    };
    const check = async () => {
      // Nobody changes anything meanwhile.
      const [found] = await nodes[0].store.applicationRevisions({ applicationKeys: [application.key] });
      const rows = await nodes[0].store.endpointList({ applicationKey: application.key });
      const { name } = (await nodes[0].store.applicationFindByKey({ applicationKey: application.key })) ?? {};
      for (const { registry } of nodes) {
        const { application: known, endpoints } = await registry.registered(application.key);
        expect(known.revision, `seed ${seed}`).toBeLessThanOrEqual(found?.revision as number);
        if (known.revision !== found?.revision) continue;
        expect(known.name, `seed ${seed}`).toBe(name);
        expect(endpoints.map(({ endpoint }) => endpoint)).toEqual(rows);
      }
    };
    for (let round = 0; round < 25; round++) {
      await Promise.all(Array.from({ length: 6 }, (_, n) => work(round * 10 + n)));
      await check();
    }
  });
});

describe('what all processes have in common', () => {
  it('is shown as it is in the store: event types, and what a change of one is made on', async () => {
    const [one, other] = [await process(), await process()];
    const fields = {
      ...{ description: '', schemas: null, archived: false, deprecated: false },
      ...{ featureFlags: null, groupName: null },
    };
    expect(await other.registry.eventTypeList()).toEqual([]);
    await one.registry.eventTypes.create('b', fields);
    expect((await other.registry.eventTypeFind('b'))?.name).toBe('b');
    await one.registry.eventTypes.create('a', fields);
    expect((await other.registry.eventTypes.listByName()).map(({ name }) => name)).toEqual(['a', 'b']);
    const put = await other.registry.eventTypes.put('a', { ...fields, description: 'A' });
    expect([put.made, (await one.registry.eventTypeFind('a'))?.description]).toEqual([false, 'A']);
    await one.registry.eventTypes.delete('a');
    expect(await other.registry.eventTypeFind('a')).toBeNull();
  });

  it('checks payloads by what it has heard of', async () => {
    const [one, other] = [await process(), await process()];
    const schemas = { 1: { type: 'object', required: ['id'] } };
    const fields = {
      description: '',
      archived: false,
      deprecated: false,
      featureFlags: null,
      groupName: null,
    };
    await one.registry.eventTypes.create('a', { ...fields, schemas, validation: 'reject' });
    expect(other.registry.payloadValidation('a')).toBe('off');
    await other.registry.eventTypes.load();
    expect(other.registry.payloadProblems('a', {}, 2)?.problems).toHaveLength(1);
    await one.registry.eventTypes.delete('a');
    await other.registry.eventTypes.load();
    expect(other.registry.payloadProblems('a', {}, 2)).toBeNull();
  });

  it('refuses a key that another process revoked, once it has heard of it', async () => {
    const [one, other] = [await process(), await process()];
    const scope = { name: 'a', applicationKey: null, capabilities: null, featureFlags: [], expiresAt: null };
    const made = await one.keyring.create(scope);
    await one.keyring.create(scope);
    expect(await other.keyring.authenticate(made.text)).toMatchObject({ keyId: made.key.id });
    await one.keyring.revoke(made.key.id);
    expect(await other.keyring.authenticate(made.text)).not.toBeNull();
    other.keyring.heardChange();
    expect(await other.keyring.authenticate(made.text)).toBeNull();
  });

  it('tells operators by the endpoints that another process made for it', async () => {
    const [one, other] = [await process(), await process()];
    const application = await addApplication(one.registry);
    await addEndpoint(one.registry, one.registry.operational, { eventTypes: ['endpoint.created'] });
    await addEndpoint(other.registry, application);
    expect(other.told).toEqual([]);
    other.registry.heardChange([other.registry.operational.key]);
    await expect.poll(() => other.registry.announces(application.key, 'endpoint.created')).toBe(true);
    await addEndpoint(other.registry, application);
    expect(other.told).toEqual(['announced']);
  });
});
