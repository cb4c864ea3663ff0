import { LRUCache } from 'lru-cache';
import type { Application } from '../model/application.ts';
import type { RegisteredApplication, RegisteredEndpoint } from './registered-application.ts';

const APPLICATIONS_CACHED = 10_000;
/** Endpoints of all applications in memory: the least used applications go first. */
const ENDPOINTS_CACHED = 100_000;

type Read = (applicationKey: number) => Promise<RegisteredApplication | null>;

interface Loading {
  /** Something changed since the read began. */
  stale: boolean;
  readonly result: Promise<RegisteredApplication | null>;
}

/**
 * The applications in use, in memory. Whoever changes one in the store says so here, before anybody is told that it changed:
 * so what is read here is never older than an answer that was given.
 */
export class ApplicationCache {
  readonly #read: Read;
  readonly #applications = new LRUCache<number, RegisteredApplication>({
    max: APPLICATIONS_CACHED,
    maxSize: ENDPOINTS_CACHED + APPLICATIONS_CACHED,
    sizeCalculation: ({ size }) => size + 1,
  });
  /** Keys of applications, by what they were asked for with and by their endpoints. What has changed since is found out on use. */
  readonly #keyOfRef = new LRUCache<string, number>({ max: APPLICATIONS_CACHED });
  readonly #keyOfEndpoint = new LRUCache<number, number>({ max: ENDPOINTS_CACHED });
  readonly #loading = new Map<number, Loading>();

  constructor(read: Read) {
    this.#read = read;
  }

  get(applicationKey: number): RegisteredApplication | undefined {
    return this.#applications.get(applicationKey);
  }

  /** By a reference that `named` has linked to it. */
  byRef(ref: string): Application | undefined {
    const key = this.#keyOfRef.get(ref);
    const application = key === undefined ? undefined : this.get(key)?.application;
    return application && isNamed(application, ref) ? application : undefined;
  }

  named(ref: string, application: Application): void {
    this.#keyOfRef.set(ref, application.key);
  }

  /** The application that has this endpoint, or had it. */
  ofEndpoint(endpointKey: number): RegisteredApplication | undefined {
    const key = this.#keyOfEndpoint.get(endpointKey);
    return key === undefined ? undefined : this.get(key);
  }

  /** From memory, or read once for all who ask at the same time. Null when there is none. */
  load(applicationKey: number): Promise<RegisteredApplication | null> {
    const known = this.get(applicationKey);
    if (known) return Promise.resolve(known);
    const under = this.#loading.get(applicationKey);
    if (under) return under.result;
    const result = this.#readUntilCurrent(applicationKey, () => {
      const stale = loading.stale;
      loading.stale = false;
      return stale;
    }).finally(() => this.#loading.delete(applicationKey));
    const loading: Loading = { stale: false, result };
    this.#loading.set(applicationKey, loading);
    return result;
  }

  async #readUntilCurrent(key: number, hasChanged: () => boolean): Promise<RegisteredApplication | null> {
    for (;;) {
      const found = await this.#read(key);
      if (hasChanged()) continue;
      if (found) {
        this.#keep(key, found);
        for (const { endpoint } of found.endpoints) this.#keyOfEndpoint.set(endpoint.key, key);
      }
      return found;
    }
  }

  /** To be called after each change of the store: applies it to what is in memory, and lets a read under way begin again. */
  changed(applicationKey: number, change: (application: RegisteredApplication) => void): void {
    this.#outdate(applicationKey);
    const cached = this.get(applicationKey);
    if (!cached) return;
    change(cached);
    this.#keep(applicationKey, cached);
  }

  /** An endpoint is new, or another than before. */
  endpointChanged(registered: RegisteredEndpoint): void {
    const { key, applicationKey } = registered.endpoint;
    this.changed(applicationKey, (application) => application.put(registered));
    this.#keyOfEndpoint.set(key, applicationKey);
  }

  /** It was deleted. */
  forget(applicationKey: number): void {
    this.#outdate(applicationKey);
    this.#applications.delete(applicationKey);
  }

  #outdate(applicationKey: number): void {
    const loading = this.#loading.get(applicationKey);
    if (loading) loading.stale = true;
  }

  #keep(applicationKey: number, application: RegisteredApplication): void {
    // The cache measures an entry anew only when it is another.
    this.#applications.delete(applicationKey);
    this.#applications.set(applicationKey, application);
  }
}

/** A number and a uid are never those of two: the store sees to it. */
function isNamed({ id, uid, number }: Application, ref: string): boolean {
  return id === ref || uid === ref || String(number) === ref;
}
