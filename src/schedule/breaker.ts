import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../limits.ts';
import type { Lease } from '../model/lease.ts';

/** The waits of one endpoint are this much shorter or longer than another's: those that failed together are not probed together. */
const SPREAD = 0.1;

/**
 * Keeps deliveries from an endpoint that only fails. `failure`: no answer, or no 2xx.
 *
 *              BREAKER_FAILURES in a row              time, or the endpoint is changed
 *     closed ────────────────────────────► open ───────────────────────────────────────► due
 *       ▲                                  ▲  │                                           │
 *       │                                  │  │ a resend is sent                          │ the next delivery is sent
 *       │ success                          │  ▼                                           │
 *       └──────────────────────────────────┴─ probing ◄───────────────────────────────────┘
 *                                    failure
 *
 * One delivery at a time goes out as the probe. The wait doubles with each that fails, but for a resend: a person asked for
 * that, and the time of the next probe stays as it was. A probe that could not be sent goes back to where it came from. What was sent before the breaker opened, and ends after, closes
 * it when it succeeds and changes nothing when it fails. When the endpoint is changed, a probe under way says nothing of
 * what it is now: there is another at once.
 */
export class Breaker {
  #state: 'closed' | 'open' | 'due' | 'probing' = 'closed';
  #failures = 0;
  #waitMs = 0;
  #probeAt = Number.POSITIVE_INFINITY;
  #probe: Lease | null = null;
  readonly #spread: number;

  constructor(endpointKey: number) {
    // Knuth's multiplicative hash: keys that follow each other are far apart.
    const fraction = (Math.imul(endpointKey, 2_654_435_761) >>> 0) / 2 ** 32;
    this.#spread = 1 + SPREAD * (2 * fraction - 1);
  }

  /** Deliveries wait; also while the probe is due or under way. */
  get open(): boolean {
    return this.#state !== 'closed';
  }

  /** In a row. */
  get failures(): number {
    return this.#failures;
  }

  /** A delivery is under way to see whether the endpoint works. */
  get probing(): boolean {
    return this.#state === 'probing';
  }

  /** Monotonic time of the next probe, or of that which is due or under way. */
  get probeAt(): number {
    return this.#probeAt;
  }

  /** Whether the next delivery may be sent now, when it is a resend or when it is not. */
  lets(resend: boolean): boolean {
    return this.#state === 'closed' || this.#state === 'due' || (resend && this.#state === 'open');
  }

  sent(delivery: Lease): void {
    if (this.#state === 'closed') return;
    this.#state = 'probing';
    this.#probe = delivery;
  }

  /** Counts a failure. True when a wait begins: `rang` shall be called at `probeAt`. */
  failed(delivery: Lease, now: number): boolean {
    this.#failures++;
    if (this.#state === 'closed') return this.#failures >= BREAKER_FAILURES && this.#wait(now);
    if (delivery !== this.#probe) return false;
    if (delivery.resendKey !== null) {
      this.unsent(delivery, now);
      return false;
    }
    this.#probe = null;
    return this.#wait(now);
  }

  /** Others found that the endpoint only fails. `rang` shall be called at `probeAt`. */
  trip(now: number): void {
    if (this.#state === 'closed') this.#wait(now);
  }

  /** The delivery did not go out after all. */
  unsent(delivery: Lease, now: number): void {
    if (delivery !== this.#probe) return;
    this.#probe = null;
    this.#state = now < this.#probeAt ? 'open' : 'due';
  }

  /** The time of the probe has come. */
  rang(): void {
    if (this.#state === 'open') this.#state = 'due';
  }

  /** What is known speaks of another time: there is a probe at once, and waits begin small again. */
  hurry(now: number): void {
    if (this.#state === 'closed') return;
    this.#state = 'due';
    this.#probe = null;
    this.#waitMs = 0;
    this.#probeAt = now;
  }

  #wait(now: number): true {
    const { first, most } = BREAKER_PROBE_MS;
    this.#waitMs = this.#waitMs === 0 ? first : Math.min(2 * this.#waitMs, most);
    this.#probeAt = now + this.#waitMs * this.#spread;
    this.#state = 'open';
    return true;
  }
}
