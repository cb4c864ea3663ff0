import { ApiError } from '../errors.ts';
import { SCANS_PER_APPLICATION } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import { Rounds } from '../model/rounds.ts';

/** Resolves when the next step may be taken. Throws `too_many_requests`, if at all, when it is first asked for. */
export type Turn = () => Promise<void>;

const RETRY_AFTER_SECONDS = 2;

/**
 * Turns for all scans together: between two steps, of whichever scans, everything else at hand is dealt with. If each took
 * its own, twenty searches at once would hold up a publish by twenty steps. The applications that search take turns, so that
 * a hundred searches of one don't delay those of another.
 */
export class ScanTurns {
  readonly #clock: Clock;
  /** Scans by application that have taken more than their first step and go on. */
  readonly #underWay = new Map<number, number>();
  /** Who waits for a step, by application. */
  readonly #waiting = new Rounds<() => void>();
  #giving = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs a scan of an application. Its first step is part of the call, as with a list without a filter; a scan that asks for a
   * turn after it is one of at most `SCANS_PER_APPLICATION`, so that the many short ones of a page are never refused.
   */
  async within<Result>(applicationKey: number, scan: (turn: Turn) => Promise<Result>): Promise<Result> {
    let isCounted = false;
    const turn = async () => {
      if (!isCounted) {
        this.#count(applicationKey);
        isCounted = true;
      }
      await this.#turnOf(applicationKey);
    };
    try {
      return await scan(turn);
    } finally {
      if (isCounted) this.#uncount(applicationKey);
    }
  }

  /** Resolves when one step may be taken, which is never refused: for what is over after it. */
  once(applicationKey: number): Promise<void> {
    return this.#turnOf(applicationKey);
  }

  #count(applicationKey: number): void {
    const others = this.#underWay.get(applicationKey) ?? 0;
    if (others >= SCANS_PER_APPLICATION) {
      throw new ApiError(
        'too_many_requests',
        `${SCANS_PER_APPLICATION} searches of this application through many rows are under way. Ask for fewer at once.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#underWay.set(applicationKey, others + 1);
  }

  #uncount(applicationKey: number): void {
    const left = (this.#underWay.get(applicationKey) ?? 1) - 1;
    if (left > 0) this.#underWay.set(applicationKey, left);
    else this.#underWay.delete(applicationKey);
  }

  #turnOf(applicationKey: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(applicationKey, resolve);
      this.#giveSoon();
    });
  }

  /** One step to the application whose turn it is, then everything else at hand, then the next. */
  #giveSoon(): void {
    if (this.#giving || this.#waiting.owners === 0) return;
    this.#giving = true;
    this.#clock.soon(() => {
      this.#giving = false;
      this.#waiting.take()?.();
      this.#giveSoon();
    });
  }
}
