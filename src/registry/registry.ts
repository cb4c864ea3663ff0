import { ApiError } from '../errors.ts';
import { ENDPOINTS_PER_APPLICATION, IN_FLIGHT_PER_ENDPOINT } from '../limits.ts';
import type { AnnouncementType, NewEndpointAnnouncement } from '../model/announcement.ts';
import type { Application } from '../model/application.ts';
import type { Clock, Random } from '../model/clock.ts';
import type { Destination } from '../model/destination.ts';
import type { DisabledReason, Endpoint } from '../model/endpoint.ts';
import type { EventType, Validation } from '../model/event-type.ts';
import type { Ids } from '../model/id.ts';
import type { RetrySchedule } from '../model/retry-schedule.ts';
import type { MasterKey } from '../model/sealed.ts';
import { newSecret, newSecretLike } from '../model/secret.ts';
import type { NewTask, Task } from '../model/task.ts';
import type {
  ApplicationChanges,
  EndpointChanges,
  NewApplication,
  NewEndpoint,
  Store,
} from '../store/store.ts';
import { Announcing } from './announcing.ts';
import { EndpointSecrets, rotated } from './endpoint-secrets.ts';
import { disabledBy, releaseAfterPause, standingAfter } from './endpoint-standing.ts';
import { EventTypes } from './event-types.ts';
import type { ChangeListeners } from './heard-changes.ts';
import { KnownApplications } from './known-applications.ts';
import type { PayloadProblems } from './payload-checks.ts';
import type { RegisteredApplication, RegisteredEndpoint } from './registered-application.ts';
import { Turns } from './turns.ts';

export type { RegisteredApplication, RegisteredEndpoint } from './registered-application.ts';

export interface RegistryOptions extends ChangeListeners {
  store: Store;
  clock: Clock;
  random: Random;
  ids: Ids;
  masterKey: MasterKey;
  /** Of endpoints that have none of their own. */
  retrySchedule: RetrySchedule;
  /** There is something to tell operators. */
  onAnnounced: () => void;
  /** A task began with a change. */
  onTask: (task: Task) => void;
}

export type ApplicationFields = Omit<NewApplication, 'id' | 'now'>;

/** What has its usual value where a caller does not speak of it: older clients of the protocol don't know it. */
type DeliveryFields = Pick<NewEndpoint, 'maxInFlight' | 'ordering' | 'retrySchedule' | 'finalStatuses'> & {
  readonly paused: boolean;
};

/** What a caller says of an endpoint; what is secret comes open and is sealed here. */
export type EndpointFields = Omit<
  NewEndpoint,
  | 'applicationKey'
  | 'id'
  | 'now'
  | 'sealedHeaders'
  | 'sealedSecret'
  | 'secretExpiries'
  | 'disabledReason'
  | 'disabledAt'
  | 'pausedAt'
  | keyof DeliveryFields
> &
  Partial<DeliveryFields> & {
    /** Extra request headers. */
    readonly headers: Readonly<Record<string, string>>;
  };

/** What is left out stays. */
export type EndpointFieldChanges = Partial<EndpointFields> & {
  /** Takes the place of the current secret at once. */
  readonly secret?: string;
};

/**
 * Applications, endpoints and event types: writes them, and keeps what the hot path needs in memory, so that a
 * publish reads nothing. A change is in memory before its promise resolves: the next publish sees it. The changes of one
 * application, its endpoints among them, run one after another, each on what the one before has left.
 */
export class Registry {
  readonly eventTypes: EventTypes;
  readonly #options: RegistryOptions;
  readonly #secrets: EndpointSecrets;
  readonly #turns = new Turns<number>();
  readonly #announcing = new Announcing();
  #operational: Application | null = null;
  readonly #known: KnownApplications;
  readonly #cache: KnownApplications['cache'];

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#known = new KnownApplications({ ...options, open: (endpoint) => this.#secrets.open(endpoint) });
    this.#cache = this.#known.cache;
    this.#secrets = new EndpointSecrets(options.masterKey, options.random);
    this.eventTypes = new EventTypes(options);
  }

  /** Makes the operational application when there is none, and has in memory what must be there for the first call. */
  async start(): Promise<void> {
    const { store, ids, clock } = this.#options;
    this.#operational = await store.applicationOperational({ id: ids.next('app'), now: clock.now() });
    await this.#loadListening();
    await this.eventTypes.load();
  }

  /** Who listens to what operators are told. A change that comes while it is read is not overwritten by what was before it. */
  async #loadListening(): Promise<void> {
    const { operational } = this;
    const { key: applicationKey } = operational;
    for (;;) {
      const { changes } = this.#announcing;
      const endpoints = await this.#options.store.endpointList({ applicationKey });
      if (changes !== this.#announcing.changes) continue;
      this.#announcing.load(operational, endpoints);
      return;
    }
  }

  /** Another process changed or deleted these, or endpoints of theirs. */
  heardChange(applicationKeys: readonly number[]): void {
    for (const key of applicationKeys) {
      // Where that fails, the next look makes up for it.
      if (key === this.#operational?.key) this.#loadListening().catch(() => {});
      this.#known.heardChange(key);
    }
  }

  /** Other processes may have changed anything: what is in memory is compared with the store. */
  async look(): Promise<void> {
    await this.#loadListening();
    await this.eventTypes.load();
    await this.#known.look();
  }

  /** Publishes by this count of its changes were refused: it has changed since. */
  outdated(applicationKey: number, revision: number): void {
    this.#known.outdated(applicationKey, revision);
  }

  /** The application whose endpoints get the operational webhooks. */
  get operational(): Application {
    if (this.#operational === null) throw new Error('The registry was not started.');
    return this.#operational;
  }

  /** Whether operators want to hear this of this application. */
  announces(applicationKey: number, type: AnnouncementType): boolean {
    return this.#announcing.about(applicationKey, type);
  }

  /** Whether an endpoint is there and in memory: what something was just sent to is, unless it was deleted meanwhile. */
  endpointIsKnown(endpointKey: number): boolean {
    return Boolean(this.#cache.lastOfEndpoint(endpointKey)?.endpointByKey(endpointKey));
  }

  /** What they are told before an endpoint is disabled; null when the endpoint is not in memory at the moment. */
  failingAnnouncements(endpointKey: number, times: { since: number; disableAt: number }) {
    const registered = this.#cache.lastOfEndpoint(endpointKey);
    const found = registered?.endpointByKey(endpointKey);
    if (!registered || !found) return null;
    return this.#announcing.failing(registered.application, found.endpoint, times);
  }

  /** Whether payloads of this event type are checked: to parse a raw one is worth it only then. */
  payloadValidation(eventType: string): Validation {
    return this.eventTypes.checks.validation(eventType);
  }

  /** What the schema of an event type that has its payloads checked does not allow in this one, whose text has so many characters; null: nothing. */
  payloadProblems(eventType: string, payload: unknown, characters: number): PayloadProblems | null {
    return this.eventTypes.checks.problems(eventType, payload, characters);
  }

  /** By `app_…` id, uid or number. Throws `not_found`. */
  application(ref: string): Promise<Application> {
    return this.#known.find(ref);
  }

  /**
   * As `application`, as it is in the store now: who has changed something through another process finds it, also what is asked
   * for of the endpoints from here on. Throws `not_found`.
   */
  applicationNow(ref: string): Promise<Application> {
    return this.#known.findNow(ref);
  }

  /** By the store's key, which a key or a row named, as it is in the store now. Throws `not_found`. */
  async applicationByKey(applicationKey: number): Promise<Application> {
    return (await this.#known.withEndpointsNow(applicationKey)).application;
  }

  /** A page by id, ascending: see the store's `applicationList`. */
  applicationList(params: Parameters<Store['applicationList']>[0]): Promise<Application[]> {
    return this.#options.store.applicationList(params);
  }

  /** Throws `conflict`. */
  async applicationCreate(fields: ApplicationFields): Promise<Application> {
    const { store, ids, clock } = this.#options;
    const made = await store.applicationInsert({ ...fields, id: ids.next('app'), now: clock.now() });
    if (!made) throw applicationExists(fields.uid);
    return made;
  }

  /** Throws `conflict`, `not_found`. */
  async applicationUpdate({ key }: Application, changes: ApplicationChanges): Promise<Application> {
    this.#assertNotOperational(key);
    return this.#turns.take(key, async () => {
      const { store, clock } = this.#options;
      const before = await this.#known.withEndpointsNow(key);
      const { throttleRate } = before.application;
      const updated = await store.applicationUpdate({ applicationKey: key, now: clock.now(), changes });
      if (updated === null) throw new ApiError('not_found');
      if (updated === 'uid_taken') throw applicationExists(changes.uid ?? null);
      this.#cache.changed(key, before, (application) => application.replace(updated));
      if (updated.throttleRate !== throttleRate) {
        for (const { endpoint } of before.endpoints) this.#options.onEndpointChanged(endpoint.key);
      }
      return updated;
    });
  }

  /** Deletes it with all that it has; what still waits for its endpoints is cancelled in the background. Throws `conflict`, `not_found`. */
  async applicationDelete({ key }: Application): Promise<void> {
    this.#assertNotOperational(key);
    return this.#turns.take(key, async () => {
      const { store, clock } = this.#options;
      const deleted = await store.applicationDelete({ applicationKey: key, now: clock.now() });
      if (deleted === null) throw new ApiError('not_found');
      this.#cache.forget(key);
      this.#options.onApplicationDeleted(key);
      for (const endpointKey of deleted.endpointKeys) this.#options.onEndpointDeleted(endpointKey);
    });
  }

  #assertNotOperational(applicationKey: number): void {
    if (applicationKey !== this.#operational?.key) return;
    throw new ApiError('conflict', 'The application of the operational webhooks stays as it is.');
  }

  /** An application with its endpoints, at once when it is in memory. It changes in place. Rejects with `not_found`. */
  registered(applicationKey: number): RegisteredApplication | Promise<RegisteredApplication> {
    return this.#known.registered(applicationKey);
  }

  /** What the schedule needs to know of an endpoint, null when it was deleted; at once when it is in memory. */
  destination(endpointKey: number): Destination | null | Promise<Destination | null> {
    const application = this.#cache.ofEndpoint(endpointKey);
    return application
      ? application.destination(endpointKey, this.#options.retrySchedule)
      : this.#readDestination(endpointKey);
  }

  async #readDestination(endpointKey: number): Promise<Destination | null> {
    const endpoint = await this.#options.store.endpointFindByKey({ endpointKey });
    const application = endpoint && (await this.#cache.load(endpoint.applicationKey));
    return application?.destination(endpointKey, this.#options.retrySchedule) ?? null;
  }

  /** Throws `not_found`. */
  withEndpoints(applicationKey: number): Promise<RegisteredApplication> {
    return this.#known.withEndpoints(applicationKey);
  }

  /** Oldest first. */
  async endpointList({ key }: Application): Promise<readonly RegisteredEndpoint[]> {
    return (await this.withEndpoints(key)).endpoints;
  }

  /** By `ep_…` id, uid or web hook id, within the application. Throws `not_found`. */
  async endpoint({ key }: Application, ref: string): Promise<RegisteredEndpoint> {
    const found = (await this.withEndpoints(key)).endpoint(ref);
    if (!found) throw new ApiError('not_found', `There is no endpoint ${JSON.stringify(ref.slice(0, 100))}.`);
    return found;
  }

  /** @param fields `secret` null: one is made. Throws `conflict`, `limit_reached`, `not_found`. */
  endpointCreate(
    { key }: Application,
    { secret, headers, disabled, paused, ...fields }: EndpointFields & { secret: string | null },
  ): Promise<RegisteredEndpoint> {
    return this.#turns.take(key, async () => {
      const { store, ids, clock, random } = this.#options;
      // It may have been deleted while this waited for its turn.
      const base = await this.#known.withEndpointsNow(key);
      const { application } = base;
      const id = ids.next('ep');
      const now = clock.now();
      const announcements = this.#announcing.created(application, { id, uid: fields.uid });
      const made = await store.endpointInsert({
        ...USUAL,
        ...defined(fields),
        ...standingAfter({ disabled, paused }, { now }),
        ...this.#secrets.sealHeaders(id, headers),
        ...this.#secrets.sealSecrets(id, [{ text: secret ?? newSecret(random), until: null }]),
        id,
        applicationKey: key,
        now,
        limit: ENDPOINTS_PER_APPLICATION,
        announcements,
      });
      if (made === 'uid_taken') throw endpointExists();
      if (made === 'limit') {
        throw new ApiError(
          'limit_reached',
          `An application has at most ${ENDPOINTS_PER_APPLICATION} endpoints. Delete one first.`,
        );
      }
      const registered = this.#secrets.open(made);
      this.#cache.endpointChanged(base, registered);
      this.#announcing.changed(made, true);
      this.#announced(announcements);
      return registered;
    });
  }

  /**
   * @param changes or what makes them out of the endpoint as it is when its turn comes. Throws `conflict`, `not_found`, and
   *   what that throws.
   */
  endpointUpdate(
    application: Application,
    current: Endpoint,
    changes: EndpointFieldChanges | ((current: RegisteredEndpoint) => EndpointFieldChanges),
  ): Promise<RegisteredEndpoint> {
    return this.#endpointChange(application, current, (registered) => {
      const { headers, secret, disabled, paused, ...fields } =
        typeof changes === 'function' ? changes(registered) : changes;
      const { endpoint: before } = registered;
      return {
        ...fields,
        ...standingAfter({ disabled, paused }, { before, now: this.#options.clock.now() }),
        ...(headers && this.#secrets.sealHeaders(current.id, headers)),
        ...(secret !== undefined && this.#rotated(registered, { secret, graceMs: 0 })),
      };
    });
  }

  /** Throws `limit_reached`, `not_found`. */
  async endpointRotateSecret(
    application: Application,
    endpoint: Endpoint,
    rotation: { secret: string | null; graceMs: number },
  ): Promise<void> {
    await this.#endpointChange(application, endpoint, (registered) => this.#rotated(registered, rotation));
  }

  #rotated(
    { endpoint, target }: RegisteredEndpoint,
    { secret, graceMs }: { secret: string | null; graceMs: number },
  ): EndpointChanges {
    const { clock, random } = this.#options;
    const next = secret ?? newSecretLike(target.secrets[0]?.text ?? '', random);
    return this.#secrets.sealSecrets(
      endpoint.id,
      rotated(target.secrets, next, { now: clock.now(), graceMs }),
    );
  }

  /**
   * Disables it for what it answered: `since` is when it began to do nothing but fail. One that is disabled already, or
   * gone, stays as it is: false.
   */
  async endpointDisable(
    endpointKey: number,
    { reason, since }: { reason: Exclude<DisabledReason, 'manual'>; since: number },
  ): Promise<boolean> {
    const { store, clock } = this.#options;
    const applicationKey =
      this.#cache.ofEndpoint(endpointKey)?.application.key ??
      (await store.endpointFindByKey({ endpointKey }))?.applicationKey;
    if (applicationKey === undefined) return false;
    return this.#turns.take(applicationKey, async () => {
      const base = await this.#known.withEndpointsNow(applicationKey).catch(nullIfNotFound);
      const current = base?.endpointByKey(endpointKey);
      if (!base || !current || current.endpoint.disabled) return false;
      const now = clock.now();
      await this.#write(base, current, { changes: disabledBy(reason, now), since, now });
      return true;
    });
  }

  #endpointChange(
    { key }: Application,
    endpoint: Endpoint,
    changesOf: (current: RegisteredEndpoint) => EndpointChanges,
  ): Promise<RegisteredEndpoint> {
    return this.#turns.take(key, async () => {
      const base = await this.#known.withEndpointsNow(key);
      const current = base.endpointByKey(endpoint.key);
      if (!current) throw new ApiError('not_found');
      const now = this.#options.clock.now();
      return this.#write(base, current, { changes: changesOf(current), since: now, now });
    });
  }

  /** Writes an endpoint's change with all that begins with it: what operators are told, and what a pause held. */
  async #write(
    base: RegisteredApplication,
    { endpoint: before }: RegisteredEndpoint,
    { changes, since, now }: { changes: EndpointChanges; since: number; now: number },
  ): Promise<RegisteredEndpoint> {
    const { store, ids, onEndpointChanged, onEndpointEnabled, onTask } = this.#options;
    const { application } = base;
    const after = { ...before, ...defined(changes) };
    const task = releaseAfterPause(before, after, { id: () => ids.next('qtask'), now });
    const announcements = this.#announcing.updated(application, before, after, since);
    const updated = await store.endpointUpdate({
      applicationKey: application.key,
      endpointKey: before.key,
      now,
      changes,
      announcements,
      ...(task && { task }),
    });
    if (updated === null) throw new ApiError('not_found');
    if (updated === 'uid_taken') throw endpointExists();
    const registered = this.#secrets.open(updated);
    this.#cache.endpointChanged(base, registered);
    if (before.disabled && !updated.disabled) onEndpointEnabled(updated.key);
    onEndpointChanged(updated.key);
    this.#announcing.changed(updated, true);
    this.#announced(announcements);
    if (task) onTask(begun(task));
    return registered;
  }

  /** Deletes it at once; what still waits for it is cancelled in the background, in steps. Throws `not_found`. */
  endpointDelete(application: Application, endpoint: Endpoint): Promise<void> {
    const { key } = application;
    return this.#turns.take(key, async () => {
      const { store, clock } = this.#options;
      const base = this.#cache.get(key);
      const announcements = this.#announcing.deleted(application, endpoint);
      const params = { applicationKey: key, endpointKey: endpoint.key, now: clock.now(), announcements };
      if (!(await store.endpointDelete(params))) throw new ApiError('not_found');
      this.#cache.changed(key, base, (registered) => registered.remove(endpoint.key));
      this.#options.onEndpointDeleted(endpoint.key);
      this.#announcing.changed(endpoint, false);
      this.#announced(announcements);
    });
  }

  #announced(announcements: readonly NewEndpointAnnouncement[]): void {
    if (announcements.length > 0) this.#options.onAnnounced();
  }

  /** All, archived ones too, in the order they were added. */
  eventTypeList(): Promise<readonly EventType[]> {
    return this.eventTypes.list();
  }

  /** Also an archived one. */
  eventTypeFind(name: string): Promise<EventType | null> {
    return this.eventTypes.find(name);
  }
}

const USUAL: Omit<DeliveryFields, 'paused'> = {
  maxInFlight: IN_FLIGHT_PER_ENDPOINT,
  ordering: 'none',
  retrySchedule: null,
  finalStatuses: [],
};

/** Without what is there and says nothing. */
function defined<Fields extends object>(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields;
}

/** A task as it is in the store when it has begun. */
function begun({ now, ...task }: NewTask): Task {
  const nothing = { scanned: 0, affected: 0, position: task.from };
  return { ...task, ...nothing, state: 'running', createdAt: now, updatedAt: now };
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof ApiError && error.code === 'not_found') return null;
  throw error;
}

function applicationExists(uid: string | null): ApiError {
  return new ApiError(
    'conflict',
    `An application with the uid or number ${JSON.stringify(uid)} already exists.`,
    { at: ['body', 'uid'] },
  );
}

function endpointExists(): ApiError {
  return new ApiError('conflict', 'An endpoint with that id or uid already exists.', { at: ['body', 'uid'] });
}
