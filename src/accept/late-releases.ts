import { ApiError } from '../errors.ts';
import type { Clock } from '../model/clock.ts';

export interface LateReleasesOptions {
  clock: Clock;
  /** Lets go what is held for the endpoint, in the background. Rejects with `not_found` or `endpoint_disabled` where that is over. */
  release(applicationKey: number, endpointKey: number): Promise<void>;
  log: { warn(fields: object, text: string): void };
}

/** After one that failed, until it is asked for again; twice as long each time. It may be that too many tasks run. */
const AGAIN_MS = { first: 1_000, most: 60_000 };
const OVER: readonly string[] = ['not_found', 'endpoint_disabled'];

/**
 * Asks for the release of what was stored as held by a pause that had ended by then, until that is done. One request of an
 * endpoint at a time: what comes meanwhile asks once more.
 */
export class LateReleases {
  readonly #options: LateReleasesOptions;
  /** By endpoint, whether it is asked for again. */
  readonly #under = new Map<number, boolean>();
  #stopped = false;

  constructor(options: LateReleasesOptions) {
    this.#options = options;
  }

  add(applicationKey: number, endpointKey: number): void {
    if (this.#under.has(endpointKey)) {
      this.#under.set(endpointKey, true);
      return;
    }
    void this.#run(applicationKey, endpointKey);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(applicationKey: number, endpointKey: number): Promise<void> {
    const { clock, release, log } = this.#options;
    let again = true;
    let pauseMs = AGAIN_MS.first;
    while (again && !this.#stopped) {
      this.#under.set(endpointKey, false);
      try {
        await release(applicationKey, endpointKey);
        again = this.#under.get(endpointKey) ?? false;
        pauseMs = AGAIN_MS.first;
      } catch (error) {
        // It is gone, or takes nothing again: whatever ends that lets it go.
        if (error instanceof ApiError && OVER.includes(error.code)) break;
        log.warn({ err: error, endpointKey }, 'what came at the end of a pause is still held; trying again');
        const waitMs = pauseMs;
        await new Promise<void>((resolve) => void clock.timer(waitMs, resolve));
        pauseMs = Math.min(2 * pauseMs, AGAIN_MS.most);
      }
    }
    this.#under.delete(endpointKey);
  }
}
