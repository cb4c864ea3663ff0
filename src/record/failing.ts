import { FAILING_TOLD_AFTER } from '../limits.ts';
import type { NewEndpointAnnouncement } from '../model/announcement.ts';
import type { EndpointFailing, EndpointFailingChange } from '../store/store.ts';

export interface FailingOptions {
  /** Nothing but failure for so long disables an endpoint; null: nothing does. */
  disableAfterMs: number | null;
  /** Whether it is there, as far as memory knows: it may have been deleted while its attempt was under way. */
  isThere(endpointKey: number): boolean;
  /**
   * What operators are told before an endpoint is disabled: nothing when none of them listens; null when that is not known at
   * the moment.
   */
  announcements(
    endpointKey: number,
    times: { since: number; disableAt: number },
  ): readonly (NewEndpointAnnouncement & { applicationKey: number })[] | null;
  /** It did nothing but fail for too long. Called again with each failure, for as long as `recovered` or `forget` is not. */
  overdue(endpointKey: number, since: number): void;
  log: { warn(fields: object, text: string): void };
}

/**
 * Since when endpoints do nothing but fail:
 *
 *     works ──failure──► failing since ──most of the time──► warned ──all of it──► overdue (with each failure)
 *       ▲                     │                                │                      │
 *       └──── success, or enabled by a person ◄────────────────┴──────────────────────┘
 *
 * One with so little to do that it was not warned in time is warned when it is overdue, and has the rest of the time from then
 * on: nothing is disabled without notice.
 *
 * In memory, and in the store as far as `changes` were written there: a restart goes on with what was known. Where several
 * processes share the store, each takes over now and then what the others have written, breakers that opened among it: a success
 * that one of them sees is one for all.
 */
export class Failing {
  readonly #options: FailingOptions;
  readonly #failing = new Map<number, EndpointFailing>();
  /** What the store does not know yet: the last change of each endpoint. */
  readonly #changes = new Map<number, EndpointFailingChange>();
  /** Of each read that is under way, the endpoints that something happened to meanwhile. */
  readonly #reads = new Set<Set<number>>();

  constructor(options: FailingOptions) {
    this.#options = options;
  }

  /**
   * Takes over what the store knows, from the last run or from other processes, but for what is known better here: what is yet to be written, or has changed since the read
   * began. Returns the endpoints whose breakers are open by that. Rejects as `read` does.
   */
  async reload(read: () => Promise<readonly EndpointFailing[]>): Promise<Set<number>> {
    const better = new Set(this.#changes.keys());
    this.#reads.add(better);
    const rows = await read().finally(() => this.#reads.delete(better));
    const found = new Set(rows.map(({ endpointKey }) => endpointKey));
    for (const endpointKey of [...this.#failing.keys()]) {
      if (!found.has(endpointKey) && !better.has(endpointKey)) this.#failing.delete(endpointKey);
    }
    for (const row of rows) if (!better.has(row.endpointKey)) this.#failing.set(row.endpointKey, row);
    return new Set(rows.flatMap(({ endpointKey, broken }) => (broken ? [endpointKey] : [])));
  }

  /** Null: it works, as far as anybody knows. */
  of(endpointKey: number): { readonly since: number; readonly disablesAt: number | null } | null {
    const failing = this.#failing.get(endpointKey);
    if (failing === undefined) return null;
    const { disableAfterMs } = this.#options;
    return {
      since: failing.since,
      disablesAt: disableAfterMs === null ? null : overdueAt(failing, disableAfterMs),
    };
  }

  /** Whether its breaker is open, as the processes that share the store tell each other. */
  broken(endpointKey: number): boolean {
    return this.#failing.get(endpointKey)?.broken ?? false;
  }

  succeeded(endpointKey: number): void {
    if (!this.#failing.delete(endpointKey)) return;
    this.#touch(endpointKey);
    this.#changes.set(endpointKey, { endpointKey, since: null });
  }

  failed(endpointKey: number, now: number): void {
    const known = this.#failing.get(endpointKey);
    if (known === undefined) {
      if (!this.#options.isThere(endpointKey)) return;
      this.#change({ endpointKey, since: now, warnedAt: null, broken: false });
      return;
    }
    const { disableAfterMs, overdue } = this.#options;
    if (disableAfterMs === null) return;
    if (known.warnedAt !== null) {
      if (now >= overdueAt(known, disableAfterMs)) overdue(endpointKey, known.since);
    } else if (now - known.since >= disableAfterMs * FAILING_TOLD_AFTER) {
      this.#warn(known, now, overdueAt({ ...known, warnedAt: now }, disableAfterMs));
    }
  }

  /** Its breaker opened, or closed: other processes are to know. One that opened before says so again now and then. */
  breaker(endpointKey: number, open: boolean, now: number): void {
    const known = this.#failing.get(endpointKey);
    if (known !== undefined) {
      if (known.broken !== open) this.#change({ ...known, broken: open }, this.#unannounced(endpointKey));
    } else if (open && this.#options.isThere(endpointKey)) {
      this.#change({ endpointKey, since: now, warnedAt: null, broken: true });
    }
  }

  /** What is yet to be announced of it stays so. */
  #unannounced(endpointKey: number) {
    const change = this.#changes.get(endpointKey);
    return change === undefined || change.since === null ? [] : change.announcements;
  }

  /** It was enabled, or is gone. The store knows that by itself. */
  forget(endpointKey: number): void {
    this.#touch(endpointKey);
    this.#failing.delete(endpointKey);
    this.#changes.delete(endpointKey);
  }

  /** What is to be written, at most so many. */
  changes(most: number): EndpointFailingChange[] {
    return this.#changes.size === 0 ? [] : [...this.#changes.values()].slice(0, most);
  }

  /** These are in the store. One that changed again meanwhile stays. */
  written(changes: readonly EndpointFailingChange[]): void {
    for (const change of changes) {
      if (this.#changes.get(change.endpointKey) === change) this.#changes.delete(change.endpointKey);
    }
  }

  #warn(known: EndpointFailing, now: number, disableAt: number): void {
    const { endpointKey, since } = known;
    const announcements = this.#options.announcements(endpointKey, { since, disableAt });
    if (announcements === null) return;
    this.#change({ ...known, warnedAt: now }, announcements);
    this.#options.log.warn(
      {
        endpointKey,
        failingSince: new Date(since).toISOString(),
        disableAt: new Date(disableAt).toISOString(),
      },
      'an endpoint does nothing but fail, and will be disabled if that goes on',
    );
  }

  #touch(endpointKey: number): void {
    for (const touched of this.#reads) touched.add(endpointKey);
  }

  #change(
    failing: EndpointFailing,
    announcements: readonly (NewEndpointAnnouncement & { applicationKey: number })[] = [],
  ): void {
    this.#touch(failing.endpointKey);
    this.#failing.set(failing.endpointKey, failing);
    this.#changes.set(failing.endpointKey, { ...failing, announcements });
  }
}

/** When it is to be disabled if nothing but failure goes on. */
function overdueAt({ since, warnedAt }: EndpointFailing, disableAfterMs: number): number {
  const inTime = since + disableAfterMs;
  if (warnedAt === null || warnedAt < inTime) return inTime;
  return warnedAt + Math.round(disableAfterMs * (1 - FAILING_TOLD_AFTER));
}
