import type { Application } from '../model/application.ts';
import type { Destination } from '../model/destination.ts';
import { type Endpoint, heldReason } from '../model/endpoint.ts';
import type { Target } from '../model/exchange.ts';
import { chosenSchedule, type RetrySchedule } from '../model/retry-schedule.ts';

/** An endpoint ready for use: with its secrets and headers opened. */
export interface RegisteredEndpoint {
  readonly endpoint: Endpoint;
  readonly target: Target;
}

/** An application with all its endpoints in memory, as fan-out and the API read them. Changes in place. */
export class RegisteredApplication {
  #application: Application;
  /** By key, which is by age: a new one comes last, and a changed one keeps its place. */
  readonly #endpoints = new Map<number, RegisteredEndpoint>();
  readonly #keyOfId = new Map<string, number>();
  readonly #keyOfUid = new Map<string, number>();
  readonly #counted: boolean;
  #list: readonly RegisteredEndpoint[] | null = null;

  /** @param counted Whether the store counts changes: see `Application.revision`. */
  constructor(application: Application, endpoints: readonly RegisteredEndpoint[], counted: boolean) {
    this.#application = application;
    this.#counted = counted;
    for (const each of endpoints) this.#put(each);
  }

  get application(): Application {
    return this.#application;
  }

  /** Oldest first. A list that was given out stays as it was. */
  get endpoints(): readonly RegisteredEndpoint[] {
    this.#list ??= [...this.#endpoints.values()];
    return this.#list;
  }

  get size(): number {
    return this.#endpoints.size;
  }

  endpointByKey(endpointKey: number): RegisteredEndpoint | null {
    return this.#endpoints.get(endpointKey) ?? null;
  }

  /** By `ep_…` id or web hook id, else by uid. */
  endpoint(ref: string): RegisteredEndpoint | null {
    const key = this.#keyOfId.get(ref) ?? this.#keyOfUid.get(ref);
    return key === undefined ? null : this.endpointByKey(key);
  }

  /** `usual`: the retry schedule of endpoints that have none of their own. */
  destination(endpointKey: number, usual: RetrySchedule): Destination | null {
    const found = this.#endpoints.get(endpointKey);
    if (!found) return null;
    const { endpoint, target } = found;
    return {
      target,
      heldReason: heldReason(endpoint),
      throttleRate: endpoint.throttleRate,
      applicationThrottleRate: this.#application.throttleRate,
      maxInFlight: endpoint.maxInFlight,
      ordering: endpoint.ordering,
      retryPolicy: {
        schedule: chosenSchedule(endpoint.retrySchedule, usual),
        finalStatuses: endpoint.finalStatuses,
      },
    };
  }

  /** The application is another than before. Its endpoints may have changed besides, which only the own count tells. */
  replace(application: Application): void {
    this.#application = { ...application, revision: this.#application.revision };
    this.#count();
  }

  /** Adds an endpoint, or puts it in the place of what it was before. */
  put(registered: RegisteredEndpoint): void {
    this.#put(registered);
    this.#count();
  }

  /** One change more is in here, as in the store: what somebody else changed is in the store's count alone. */
  #count(): void {
    if (!this.#counted) return;
    this.#application = { ...this.#application, revision: this.#application.revision + 1 };
  }

  #put(registered: RegisteredEndpoint): void {
    const { key, id, webHookId, uid } = registered.endpoint;
    this.#forgetUid(key);
    this.#endpoints.set(key, registered);
    this.#keyOfId.set(id, key).set(webHookId, key);
    if (uid !== null) this.#keyOfUid.set(uid, key);
    this.#list = null;
  }

  remove(endpointKey: number): void {
    this.#count();
    const found = this.#endpoints.get(endpointKey);
    if (!found) return;
    this.#forgetUid(endpointKey);
    this.#keyOfId.delete(found.endpoint.id);
    this.#keyOfId.delete(found.endpoint.webHookId);
    this.#endpoints.delete(endpointKey);
    this.#list = null;
  }

  #forgetUid(endpointKey: number): void {
    const uid = this.#endpoints.get(endpointKey)?.endpoint.uid ?? null;
    if (uid !== null && this.#keyOfUid.get(uid) === endpointKey) this.#keyOfUid.delete(uid);
  }
}
