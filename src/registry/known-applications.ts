import { ApiError } from '../errors.ts';
import type { Application } from '../model/application.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Store } from '../store/store.ts';
import { ApplicationCache } from './application-cache.ts';
import { type ChangeListeners, tellOfChanges } from './heard-changes.ts';
import { RegisteredApplication, type RegisteredEndpoint } from './registered-application.ts';

export interface KnownApplicationsOptions extends ChangeListeners {
  store: Pick<
    Store,
    'shared' | 'applicationFind' | 'applicationFindByKey' | 'applicationRevisions' | 'endpointList'
  >;
  /** An endpoint with its secrets opened. */
  open(endpoint: Endpoint): RegisteredEndpoint;
}

/** Applications whose counts of changes are asked for in one read. */
const VERIFIED_AT_ONCE = 1_000;

/**
 * Applications with their endpoints, as memory knows them, or as they are in the store now.
 *
 * Where several processes share a store, what is in memory may be older than what another has just written. The store refuses
 * publishes by it; changes, and what people read, begin with a look at the store's count of changes.
 */
export class KnownApplications {
  readonly cache: ApplicationCache;
  readonly #options: KnownApplicationsOptions;

  constructor(options: KnownApplicationsOptions) {
    this.#options = options;
    this.cache = new ApplicationCache({
      shared: options.store.shared,
      read: (applicationKey) => this.#read(applicationKey),
      renewed: (renewal) => tellOfChanges(options, renewal),
    });
  }

  /** By `app_…` id, uid or number. Throws `not_found`. */
  async find(ref: string): Promise<Application> {
    const known = this.cache.byRef(ref);
    if (known) return known;
    const found = await this.#options.store.applicationFind({ ref });
    if (!found)
      throw new ApiError('not_found', `There is no application ${JSON.stringify(ref.slice(0, 100))}.`);
    this.cache.named(ref, found);
    const cached = this.cache.get(found.key);
    if (cached && cached.application.revision !== found.revision) this.cache.outdate(found.key);
    return found;
  }

  /** As `find`, as it is in the store now; from here on, so are its endpoints. */
  async findNow(ref: string): Promise<Application> {
    const known = this.cache.byRef(ref);
    if (known) await this.#verify([known.key]);
    return this.find(ref);
  }

  /** At once when it is in memory. It changes in place. Rejects with `not_found`. */
  registered(applicationKey: number): RegisteredApplication | Promise<RegisteredApplication> {
    return this.cache.get(applicationKey) ?? this.withEndpoints(applicationKey);
  }

  /** Throws `not_found`. */
  async withEndpoints(applicationKey: number): Promise<RegisteredApplication> {
    const found = await this.cache.load(applicationKey);
    if (!found) throw new ApiError('not_found');
    return found;
  }

  /** As `withEndpoints`, as it is in the store now. */
  async withEndpointsNow(applicationKey: number): Promise<RegisteredApplication> {
    await this.#verify([applicationKey]);
    return this.withEndpoints(applicationKey);
  }

  /** Publishes by this count of its changes were refused: it has changed since. */
  outdated(applicationKey: number, revision: number): void {
    if (this.cache.get(applicationKey)?.application.revision === revision) this.cache.outdate(applicationKey);
  }

  /** Another process changed or deleted it, or endpoints of it. */
  heardChange(applicationKey: number): void {
    if (this.cache.outdate(applicationKey)) this.#renew(applicationKey);
  }

  /** Another process may have changed any of them: looks which are others than in memory. */
  async look(): Promise<void> {
    for (const key of this.cache.strangers()) {
      if (this.cache.isOutdated(key)) this.#renew(key);
      else this.#unsure(key);
    }
    const keys = this.cache.keys();
    for (let start = 0; start < keys.length; start += VERIFIED_AT_ONCE) {
      const outdated = await this.#verify(keys.slice(start, start + VERIFIED_AT_ONCE));
      for (const key of outdated) this.#renew(key);
    }
  }

  /** Reads it anew, whether or not somebody needs it, so that what has changed is told of. */
  #renew(applicationKey: number): void {
    // The next read that works tells. Until then nothing is sent by what may be old.
    this.cache.load(applicationKey).catch(() => this.#unsure(applicationKey));
  }

  #unsure(applicationKey: number): void {
    for (const endpointKey of this.cache.endpointsOf(applicationKey))
      this.#options.onEndpointUnsure(endpointKey);
  }

  /** Which of these are others in the store than in memory: they are read anew when they are asked for. */
  async #verify(applicationKeys: readonly number[]): Promise<number[]> {
    const { store } = this.#options;
    const cached = store.shared ? applicationKeys.filter((key) => this.cache.get(key)) : [];
    if (cached.length === 0) return [];
    const found = await store.applicationRevisions({ applicationKeys: cached });
    const revisions = new Map(found.map(({ applicationKey, revision }) => [applicationKey, revision]));
    const outdated = cached.filter((key) => {
      const known = this.cache.get(key);
      return known !== undefined && known.application.revision !== revisions.get(key);
    });
    for (const key of outdated) this.cache.outdate(key);
    return outdated;
  }

  /** The count of changes first: so it is never newer than the endpoints. */
  async #read(applicationKey: number): Promise<RegisteredApplication | null> {
    const { store, open } = this.#options;
    const application = await store.applicationFindByKey({ applicationKey });
    if (!application) return null;
    const endpoints = await store.endpointList({ applicationKey });
    return new RegisteredApplication(application, endpoints.map(open), store.shared);
  }
}
