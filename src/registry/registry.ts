import { LRUCache } from 'lru-cache';
import { ApiError } from '../errors.ts';
import { ENDPOINTS_PER_APPLICATION } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { EventType } from '../model/event-type.ts';
import type { Target } from '../model/exchange.ts';
import type { Ids } from '../model/id.ts';
import { type MasterKey, seal, unseal } from '../model/sealed.ts';
import { newSecret } from '../model/secret.ts';
import type { EndpointChanges, NewApplication, NewEndpoint, Store } from '../store/store.ts';

/** An endpoint ready for use: with its secrets opened. */
export interface RegisteredEndpoint {
  readonly endpoint: Endpoint;
  readonly target: Target;
}

/** An application with all its endpoints, as fan-out reads it. */
export interface RegisteredApplication {
  readonly application: Application;
  /** Oldest first. */
  readonly endpoints: readonly RegisteredEndpoint[];
}

const APPLICATIONS_CACHED = 10_000;

export interface RegistryOptions {
  store: Store;
  clock: Clock;
  random: Random;
  ids: Ids;
  masterKey: MasterKey;
  onEndpointChanged: (endpointKey: number) => void;
  onEndpointDeleted: (endpointKey: number) => void;
}

/**
 * Applications, endpoints and event types: writes them, and keeps what the hot path needs in memory, so that a
 * publish reads nothing. A change is in the cache before its promise resolves: the next publish sees it.
 */
export class Registry {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Ids;
  readonly #masterKey: MasterKey;
  readonly #onEndpointChanged: (endpointKey: number) => void;
  readonly #onEndpointDeleted: (endpointKey: number) => void;
  readonly #byRef = new LRUCache<string, Application>({ max: APPLICATIONS_CACHED });
  readonly #byKey = new LRUCache<number, RegisteredApplication>({ max: APPLICATIONS_CACHED });
  readonly #endpoints = new LRUCache<number, RegisteredEndpoint>({ max: APPLICATIONS_CACHED * 10 });
  readonly #loading = new Map<number, Promise<RegisteredApplication>>();
  /** How often each application changed: what a load read before a change is not kept. */
  readonly #versions = new Map<number, number>();

  constructor(options: RegistryOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ids = options.ids;
    this.#masterKey = options.masterKey;
    this.#onEndpointChanged = options.onEndpointChanged;
    this.#onEndpointDeleted = options.onEndpointDeleted;
  }

  /** By `app_…` id, uid or number. Throws `not_found`. */
  async application(ref: string): Promise<Application> {
    const known = this.#byRef.get(ref);
    if (known) return known;
    const found = await this.#store.applicationFind({ ref });
    if (!found)
      throw new ApiError('not_found', `There is no application ${JSON.stringify(ref.slice(0, 100))}.`);
    this.#byRef.set(ref, found);
    return found;
  }

  /** By the store's key, which a key or a row named. */
  async applicationByKey(applicationKey: number): Promise<Application> {
    return (await this.withEndpoints(applicationKey)).application;
  }

  async applicationCreate(params: Omit<NewApplication, 'id' | 'now'>): Promise<Application> {
    const made = await this.#store.applicationInsert({
      ...params,
      id: this.#ids.next('app'),
      now: this.#clock.now(),
    });
    if (!made)
      throw new ApiError(
        'conflict',
        `An application with the uid or number ${JSON.stringify(params.uid)} already exists.`,
        { at: ['body', 'uid'] },
      );
    return made;
  }

  /** An application's endpoints, oldest first; at once when they are in memory. */
  endpoints(
    applicationKey: number,
  ): RegisteredApplication['endpoints'] | Promise<RegisteredApplication['endpoints']> {
    return (
      this.#byKey.get(applicationKey)?.endpoints ??
      this.withEndpoints(applicationKey).then(({ endpoints }) => endpoints)
    );
  }

  /** Where an endpoint's deliveries go, null when it was deleted; at once when it is in memory. */
  target(endpointKey: number): Target | null | Promise<Target | null> {
    return (
      this.#endpoints.get(endpointKey)?.target ??
      this.#endpointByKey(endpointKey).then((found) => found?.target ?? null)
    );
  }

  /** From memory, or read once for all who ask at the same time. */
  async withEndpoints(applicationKey: number): Promise<RegisteredApplication> {
    const known = this.#byKey.get(applicationKey) ?? this.#loading.get(applicationKey);
    if (known) return known;
    const loading = this.#load(applicationKey).finally(() => this.#loading.delete(applicationKey));
    this.#loading.set(applicationKey, loading);
    return loading;
  }

  async #load(applicationKey: number): Promise<RegisteredApplication> {
    for (;;) {
      const version = this.#versions.get(applicationKey) ?? 0;
      const [application, endpoints] = await Promise.all([
        this.#store.applicationFindByKey({ applicationKey }),
        this.#store.endpointList({ applicationKey }),
      ]);
      if (!application) throw new ApiError('not_found');
      if ((this.#versions.get(applicationKey) ?? 0) !== version) continue;
      const loaded = { application, endpoints: endpoints.map((endpoint) => this.#open(endpoint)) };
      this.#byKey.set(applicationKey, loaded);
      for (const registered of loaded.endpoints) this.#endpoints.set(registered.endpoint.key, registered);
      return loaded;
    }
  }

  async #endpointByKey(endpointKey: number): Promise<RegisteredEndpoint | null> {
    const endpoint = await this.#store.endpointFindByKey({ endpointKey });
    if (!endpoint) return null;
    const { endpoints } = await this.withEndpoints(endpoint.applicationKey);
    return endpoints.find((one) => one.endpoint.key === endpointKey) ?? null;
  }

  /** Oldest first. */
  async endpointList(application: Application): Promise<readonly RegisteredEndpoint[]> {
    return (await this.withEndpoints(application.key)).endpoints;
  }

  /** By `ep_…` id, uid or web hook id, within the application. Throws `not_found`. */
  async endpoint(application: Application, ref: string): Promise<RegisteredEndpoint> {
    const all = await this.endpointList(application);
    const found =
      all.find(({ endpoint }) => endpoint.id === ref || endpoint.webHookId === ref) ??
      all.find(({ endpoint }) => endpoint.uid === ref);
    if (!found) throw new ApiError('not_found', `There is no endpoint ${JSON.stringify(ref.slice(0, 100))}.`);
    return found;
  }

  async endpointCreate(
    application: Application,
    params: Omit<NewEndpoint, 'id' | 'applicationKey' | 'sealedSecret' | 'now'> & { secret: string | null },
  ): Promise<RegisteredEndpoint> {
    const { secret, ...fields } = params;
    const id = this.#ids.next('ep');
    const sealedSecret = seal(
      this.#masterKey,
      id,
      JSON.stringify([secret ?? newSecret(this.#random)]),
      this.#random,
    );
    const made = await this.#store.endpointInsert({
      ...fields,
      id,
      applicationKey: application.key,
      sealedSecret,
      now: this.#clock.now(),
      limit: ENDPOINTS_PER_APPLICATION,
    });
    if (made === 'limit') {
      throw new ApiError(
        'conflict',
        `An application has at most ${ENDPOINTS_PER_APPLICATION} endpoints. Delete one first.`,
      );
    }
    if (made === 'uid_taken') throw uidTaken();
    const registered = this.#open(made);
    this.#changed(application.key, (endpoints) => [...endpoints, registered]);
    this.#endpoints.set(made.key, registered);
    return registered;
  }

  async endpointUpdate(
    application: Application,
    current: Endpoint,
    changes: EndpointChanges,
  ): Promise<RegisteredEndpoint> {
    const updated = await this.#store.endpointUpdate({
      applicationKey: application.key,
      endpointKey: current.key,
      now: this.#clock.now(),
      changes,
    });
    if (updated === null) throw new ApiError('not_found');
    if (updated === 'uid_taken') throw uidTaken();
    const registered = this.#open(updated);
    this.#changed(application.key, (endpoints) =>
      endpoints.map((one) => (one.endpoint.key === updated.key ? registered : one)),
    );
    this.#endpoints.set(updated.key, registered);
    this.#onEndpointChanged(updated.key);
    return registered;
  }

  /** Deletes it at once; what still waits for it is cancelled in the background, in steps. */
  async endpointDelete(application: Application, endpoint: Endpoint): Promise<void> {
    const found = await this.#store.endpointDelete({
      applicationKey: application.key,
      endpointKey: endpoint.key,
      now: this.#clock.now(),
    });
    if (!found) throw new ApiError('not_found');
    this.#changed(application.key, (endpoints) =>
      endpoints.filter((one) => one.endpoint.key !== endpoint.key),
    );
    this.#endpoints.delete(endpoint.key);
    this.#onEndpointDeleted(endpoint.key);
  }

  eventTypeList(): Promise<EventType[]> {
    return this.#store.eventTypeList();
  }

  eventTypeFind(name: string): Promise<EventType | null> {
    return this.#store.eventTypeFind({ name });
  }

  #open(endpoint: Endpoint): RegisteredEndpoint {
    const secrets = JSON.parse(unseal(this.#masterKey, endpoint.id, endpoint.sealedSecret)) as string[];
    return {
      endpoint,
      target: {
        applicationKey: endpoint.applicationKey,
        href: endpoint.href,
        headers: endpoint.headers,
        secrets,
      },
    };
  }

  /** Applies a change to the cached list; where none is cached, a load under way is told to start again. */
  #changed(
    applicationKey: number,
    change: (endpoints: readonly RegisteredEndpoint[]) => readonly RegisteredEndpoint[],
  ): void {
    this.#versions.set(applicationKey, (this.#versions.get(applicationKey) ?? 0) + 1);
    const cached = this.#byKey.get(applicationKey);
    if (cached) this.#byKey.set(applicationKey, { ...cached, endpoints: change(cached.endpoints) });
  }
}

function uidTaken(): ApiError {
  return new ApiError('conflict', 'An endpoint with that id or uid already exists.', { at: ['body', 'uid'] });
}
