import type { Clock } from '../model/clock.ts';
import type { Lease } from '../model/lease.ts';
import type { Stopped } from '../store/store.ts';

export interface ConsequencesOptions {
  clock: Clock;
  /** Something for the endpoint waits in the store, due at that time. */
  stored(endpointKey: number, dueAt: number): void;
  /** These are void. */
  dropped(leases: readonly Lease[]): void;
  /** Somebody wants something sent to the endpoint now: an open breaker's probe goes out at once. */
  hurry(endpointKey: number): void;
  /** Whether a request of this delivery, no resend of it, is under way. */
  sends(endpointKey: number, messageKey: number): boolean;
}

/** What a change in the store means to the schedule, which has some of it in memory. */
export class Consequences {
  readonly #options: ConsequencesOptions;

  constructor(options: ConsequencesOptions) {
    this.#options = options;
  }

  readonly now = (): number => this.#options.clock.now();

  readonly hurry = (endpointKey: number): void => this.#options.hurry(endpointKey);

  readonly sends = (endpointKey: number, messageKey: number): boolean =>
    this.#options.sends(endpointKey, messageKey);

  readonly follow = ({ dropped, stored }: Stopped): void => {
    if (dropped.length > 0) this.#options.dropped(dropped);
    for (const { endpointKey, dueAt } of stored) this.#options.stored(endpointKey, dueAt);
  };
}
