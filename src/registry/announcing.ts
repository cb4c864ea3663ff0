import type {
  EndpointAnnouncementData,
  EndpointAnnouncementType,
  NewEndpointAnnouncement,
} from '../model/announcement.ts';
import type { Application } from '../model/application.ts';
import type { Endpoint } from '../model/endpoint.ts';

/**
 * What operators are told of endpoints, and whether any of them listens: only then is anything written. Nothing is ever told
 * about the endpoints that it is told to.
 */
export class Announcing {
  #operationalKey: number | null = null;
  /** Live endpoints of the operational application. */
  readonly #listening = new Set<number>();

  load(operational: Application, endpoints: readonly Endpoint[]): void {
    this.#operationalKey = operational.key;
    for (const { key } of endpoints) this.#listening.add(key);
  }

  /** An endpoint is there, or gone. */
  changed({ key, applicationKey }: Endpoint, isThere: boolean): void {
    if (applicationKey !== this.#operationalKey) return;
    if (isThere) this.#listening.add(key);
    else this.#listening.delete(key);
  }

  /** Whether operators want to hear of this application. */
  about(applicationKey: number): boolean {
    return this.#listening.size > 0 && applicationKey !== this.#operationalKey;
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

  /** One, or none when nobody listens. */
  #told(
    application: Application,
    { id, uid }: Named,
    type: EndpointAnnouncementType,
    more: Partial<EndpointAnnouncementData> = {},
  ): NewEndpointAnnouncement[] {
    if (!this.about(application.key)) return [];
    const names = { appId: application.id, appUid: application.uid, endpointId: id, endpointUid: uid };
    return [{ type, data: { ...names, ...more } }];
  }
}

type Named = Pick<Endpoint, 'id' | 'uid'>;
