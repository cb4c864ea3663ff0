import { LRUCache } from 'lru-cache';
import type { Application } from '../model/application.ts';
import type { Renewal } from './heard-changes.ts';
import type { RegisteredApplication, RegisteredEndpoint } from './registered-application.ts';

const APPLICATIONS_CACHED = 10_000;
/** Endpoints of all applications in memory: the least used applications go first. */
const ENDPOINTS_CACHED = 100_000;

export interface ApplicationCacheOptions {
  /** Whether other processes change applications, too. */
  readonly shared: boolean;
  read(applicationKey: number): Promise<RegisteredApplication | null>;
  /** What was outdated was read anew. */
  renewed(renewal: Renewal): void;
}

interface Loading {
  /** Something changed since the read began. */
  stale: boolean;
  readonly result: Promise<RegisteredApplication | null>;
}

/**
 * The applications in use, in memory. Whoever changes one in the store says so here, before anybody is told that it changed:
 * so what is read here is never older than an answer that was given by this process. What another process may have changed is
 * outdated, and read anew when it is asked for the next time.
 */
export class ApplicationCache {
  readonly #options: ApplicationCacheOptions;
  readonly #applications = new LRUCache<number, RegisteredApplication>({
    max: APPLICATIONS_CACHED,
    maxSize: ENDPOINTS_CACHED + APPLICATIONS_CACHED,
    sizeCalculation: ({ size }) => size + 1,
  });
  /** Those that are to be read anew, as they were known. */
  readonly #outdated = new Map<number, RegisteredApplication | null>();
  /** Keys of applications, by what they were asked for with and by their endpoints. What has changed since is found out on use. */
  readonly #keyOfRef = new LRUCache<string, number>({ max: APPLICATIONS_CACHED });
  readonly #keyOfEndpoint = new LRUCache<number, number>({
    max: ENDPOINTS_CACHED,
    dispose: (applicationKey, endpointKey) => this.#unlink(applicationKey, endpointKey),
  });
  /** The same the other way round. */
  readonly #endpointsOf = new Map<number, Set<number>>();
  readonly #loading = new Map<number, Loading>();

  constructor(options: ApplicationCacheOptions) {
    this.#options = options;
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

  /** As it was known last, if it is to be read anew. */
  lastOfEndpoint(endpointKey: number): RegisteredApplication | undefined {
    const key = this.#keyOfEndpoint.get(endpointKey);
    return key === undefined ? undefined : (this.get(key) ?? this.#outdated.get(key) ?? undefined);
  }

  /** Those in memory, with their endpoints. */
  keys(): number[] {
    return [...this.#applications.keys()];
  }

  /** Those that are not, but endpoints of them, or what they were like. */
  strangers(): number[] {
    return [...this.#endpointsOf.keys()].filter((key) => !this.#applications.has(key));
  }

  isOutdated(applicationKey: number): boolean {
    return this.#outdated.has(applicationKey);
  }

  /** Endpoints of an application that memory may have something of. */
  endpointsOf(applicationKey: number): number[] {
    return [...(this.#endpointsOf.get(applicationKey) ?? [])];
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
      const found = await this.#options.read(key);
      if (hasChanged()) continue;
      const before = this.#outdated.get(key);
      const known = this.endpointsOf(key);
      this.#outdated.delete(key);
      if (found) {
        this.#keep(key, found);
        for (const { endpoint } of found.endpoints) this.#link(endpoint.key, key);
      }
      for (const endpointKey of known) {
        if (!found?.endpointByKey(endpointKey)) this.#keyOfEndpoint.delete(endpointKey);
      }
      if (before !== undefined)
        this.#options.renewed({ applicationKey: key, endpointKeys: known, before, now: found });
      return found;
    }
  }

  /**
   * To be called after each change of the store: applies it to what is in memory, and lets a read under way begin again.
   *
   * @param base on which the change was made. Where others change it too and it is no longer in its place, nobody knows whether
   *   what is there has the change already.
   */
  changed(
    applicationKey: number,
    base: RegisteredApplication | undefined,
    change: (application: RegisteredApplication) => void,
  ): void {
    const cached = this.get(applicationKey);
    if (this.#options.shared && cached !== base) {
      this.outdate(applicationKey);
      return;
    }
    this.#interrupt(applicationKey);
    if (!cached) return;
    change(cached);
    this.#keep(applicationKey, cached);
  }

  /** An endpoint is new, or another than before. */
  endpointChanged(base: RegisteredApplication, registered: RegisteredEndpoint): void {
    const { key, applicationKey } = registered.endpoint;
    this.changed(applicationKey, base, (application) => application.put(registered));
    this.#link(key, applicationKey);
  }

  /** It may be another by now: it is read anew when it is asked for. False when memory knows nothing of it. */
  outdate(applicationKey: number): boolean {
    this.#interrupt(applicationKey);
    const cached = this.get(applicationKey);
    if (cached) {
      this.#applications.delete(applicationKey);
      this.#outdated.set(applicationKey, cached);
    } else if (!this.#outdated.has(applicationKey)) {
      if (!this.#endpointsOf.has(applicationKey)) return false;
      this.#outdated.set(applicationKey, null);
    }
    return true;
  }

  /** It was deleted. */
  forget(applicationKey: number): void {
    this.#interrupt(applicationKey);
    this.#applications.delete(applicationKey);
    this.#outdated.delete(applicationKey);
  }

  #interrupt(applicationKey: number): void {
    const loading = this.#loading.get(applicationKey);
    if (loading) loading.stale = true;
  }

  #keep(applicationKey: number, application: RegisteredApplication): void {
    // The cache measures an entry anew only when it is another.
    this.#applications.delete(applicationKey);
    this.#applications.set(applicationKey, application);
  }

  #link(endpointKey: number, applicationKey: number): void {
    this.#keyOfEndpoint.set(endpointKey, applicationKey);
    const known = this.#endpointsOf.get(applicationKey);
    if (known === undefined) this.#endpointsOf.set(applicationKey, new Set([endpointKey]));
    else known.add(endpointKey);
  }

  #unlink(applicationKey: number, endpointKey: number): void {
    const known = this.#endpointsOf.get(applicationKey);
    if (known?.delete(endpointKey) && known.size === 0) this.#endpointsOf.delete(applicationKey);
  }
}

/** A number and a uid are never those of two: the store sees to it. */
function isNamed({ id, uid, number }: Application, ref: string): boolean {
  return id === ref || uid === ref || String(number) === ref;
}
