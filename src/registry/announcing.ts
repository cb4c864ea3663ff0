import {
  type AnnouncementType,
  announcementTypes,
  type EndpointAnnouncementData,
  type EndpointAnnouncementType,
  type NewEndpointAnnouncement,
} from '../model/announcement.ts';
import type { Application } from '../model/application.ts';
import { type Endpoint, matches } from '../model/endpoint.ts';

const RECOVERED = 'message.attempt.recovered';
/** That a delivery recovered is told only where one of these was told before. */
const LEADS_ON: ReadonlySet<AnnouncementType> = new Set([
  'message.attempt.failing',
  'message.attempt.exhausted',
]);

/**
 * What operators are told of endpoints, and whether any of them listens to it: only then is anything written. Nothing is ever told
 * about the endpoints that it is told to.
 */
export class Announcing {
  #operationalKey: number | null = null;
  /** Live endpoints of the operational application. */
  readonly #listening = new Map<number, Endpoint>();
  /** What one of them listens to. */
  #types: ReadonlySet<AnnouncementType> = new Set();
  #changes = 0;

  /** Goes up with each change: what was read from the store before the last of them may be older. */
  get changes(): number {
    return this.#changes;
  }

  load(operational: Application, endpoints: readonly Endpoint[]): void {
    this.#operationalKey = operational.key;
    this.#listening.clear();
    for (const endpoint of endpoints) this.#listening.set(endpoint.key, endpoint);
    this.#listen();
  }

  /** An endpoint is there, is another than before, or is gone. */
  changed(endpoint: Endpoint, isThere: boolean): void {
    if (endpoint.applicationKey !== this.#operationalKey) return;
    if (isThere) this.#listening.set(endpoint.key, endpoint);
    else this.#listening.delete(endpoint.key);
    this.#listen();
  }

  /** Whether operators want to hear this of this application. */
  about(applicationKey: number, type: AnnouncementType): boolean {
    return this.#types.has(type) && applicationKey !== this.#operationalKey;
  }

  #listen(): void {
    this.#changes++;
    const listening = [...this.#listening.values()];
    const heard = (type: AnnouncementType) =>
      listening.some((endpoint) => matches(endpoint, { eventType: type, channels: null }));
    this.#types = new Set(
      announcementTypes.filter((type) => heard(type) || (LEADS_ON.has(type) && heard(RECOVERED))),
    );
  }

  created(application: Application, of: Named): NewEndpointAnnouncement[] {
    return this.#told(application, of, 'endpoint.created');
  }

  deleted(application: Application, of: Named): NewEndpointAnnouncement[] {
    return this.#told(application, of, 'endpoint.deleted');
  }

  /** `failSince`: of one that is disabled by it, since when nothing but failure came back. */
  updated(
    application: Application,
    before: Endpoint,
    after: Named & Pick<Endpoint, 'disabled' | 'disabledReason'>,
    failSince: number,
  ): NewEndpointAnnouncement[] {
    const updated = this.#told(application, after, 'endpoint.updated');
    if (before.disabled === after.disabled) return updated;
    if (!after.disabled) return [...updated, ...this.#told(application, after, 'endpoint.enabled')];
    const why = { failSince: new Date(failSince).toISOString(), reason: after.disabledReason ?? 'manual' };
    return [...updated, ...this.#told(application, after, 'endpoint.disabled', why)];
  }

  failing(
    application: Application,
    of: Named,
    { since, disableAt }: { since: number; disableAt: number },
  ): (NewEndpointAnnouncement & { applicationKey: number })[] {
    const times = { failSince: new Date(since).toISOString(), disableAt: new Date(disableAt).toISOString() };
    return this.#told(application, of, 'endpoint.failing', times).map((told) => ({
      ...told,
      applicationKey: application.key,
    }));
  }

  /** One, or none when nobody listens to it. */
  #told(
    application: Application,
    { id, uid }: Named,
    type: EndpointAnnouncementType,
    more: Partial<EndpointAnnouncementData> = {},
  ): NewEndpointAnnouncement[] {
    if (!this.about(application.key, type)) return [];
    const names = { appId: application.id, appUid: application.uid, endpointId: id, endpointUid: uid };
    return [{ type, data: { ...names, ...more } }];
  }
}

type Named = Pick<Endpoint, 'id' | 'uid'>;
