import type { Application } from '../../src/model/application.ts';
import { createIds } from '../../src/model/id.ts';
import type { Task } from '../../src/model/task.ts';
import { type RegisteredEndpoint, Registry } from '../../src/registry/registry.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock, seededRandom } from './manual-clock.ts';

export const retrySchedule = { delaysMs: [1_000], jitter: 0 };

/** A registry over a store. It adds what it tells of to `told`, and to `tasks`. */
export function registryOn(
  store: Store,
  { seed = 1, clock = new ManualClock(), told = [] as string[], tasks = [] as Task[] } = {},
) {
  const random = seededRandom(seed);
  const ids = createIds(clock, random);
  const registry = new Registry({
    store,
    clock,
    random,
    ids,
    masterKey: { bytes: Buffer.alloc(32, 7), id: Buffer.alloc(4, 7) },
    retrySchedule,
    onEndpointChanged: (key) => told.push(`endpoint ${key} changed`),
    onEndpointDeleted: (key) => told.push(`endpoint ${key} deleted`),
    onApplicationDeleted: (key) => told.push(`application ${key} deleted`),
    onEndpointUnsure: (key) => told.push(`endpoint ${key} unsure`),
    onEndpointEnabled: (key) => told.push(`endpoint ${key} enabled`),
    onTask: (task) => tasks.push(task),
    onAnnounced: () => told.push('announced'),
  });
  return { registry, clock, random, ids, told };
}

export function addApplication(registry: Registry, uid: string | null = null): Promise<Application> {
  return registry.applicationCreate({ uid, name: 'A', throttleRate: null, metadata: {} });
}

export function addEndpoint(
  registry: Registry,
  application: Application,
  fields: object = {},
): Promise<RegisteredEndpoint> {
  return registry.endpointCreate(application, {
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
}
