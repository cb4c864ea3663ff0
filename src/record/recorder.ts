import {
  FAILING_ATTEMPT,
  RECORD_BATCH_ATTEMPTS,
  RECORD_QUEUE_ATTEMPTS,
  RECORD_WINDOW_MS,
} from '../limits.ts';
import type { AttemptAnnouncementType } from '../model/announcement.ts';
import type { Clock, Random, Timer } from '../model/clock.ts';
import { afterAttempt, afterResend, type Verdict } from '../model/delivery.ts';
import { type Exchange, succeeded } from '../model/exchange.ts';
import type { Ids } from '../model/id.ts';
import type { Lease, LeasedDelivery, Settlement } from '../model/lease.ts';
import { GONE, type RetryPolicy } from '../model/retry-schedule.ts';
import { type AttemptResult, type EndpointFailingChange, type Store, StoreError } from '../store/store.ts';
import type { Failing } from './failing.ts';

export interface RecorderOptions {
  store: Pick<Store, 'deliveryRecord'>;
  clock: Clock;
  random: Random;
  ids: Ids;
  /** Since when endpoints do nothing but fail. */
  failing: Failing;
  /** The endpoint says that it will not come back. Called again with each answer that says so. */
  gone(endpointKey: number): void;
  /** Whether operators want to hear this of this application. */
  announces(applicationKey: number, type: AttemptAnnouncementType): boolean;
  /** Something to tell operators was written. */
  announced(): void;
  /** Whether a retry due then shall wait in memory, under the lease it has. */
  keeps(delivery: LeasedDelivery, nextAttemptAt: number): boolean;
  /** These are void: a resend of what was leased has arrived. */
  dropped(leases: readonly Lease[]): void;
  /** What is on record now. */
  settled(settlements: readonly Settlement[]): void;
  /** More outcomes wait than may: sending shall pause, or may go on. */
  crowded(yes: boolean): void;
  /** The store is broken: the process must not go on. */
  broken(error: Error): void;
  log: { warn(fields: object, text: string): void };
}

/** Where a delivery went, as it was when the request began. */
export interface Sent {
  readonly url: string;
  readonly applicationKey: number;
  readonly retryPolicy: RetryPolicy;
}

interface Waiting {
  readonly delivery: LeasedDelivery;
  readonly result: AttemptResult;
  /** It may have been written before: a commit ended so that nobody knows. Then its fence no longer holds, by itself. */
  unsure: boolean;
  /** How many writes had worked when it last failed alone; null: it did not. */
  failedAloneAt: number | null;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** What alone is refused, while others are written, is tried again so often. */
const ASIDE_MS = 60_000;
/** So long what is known of failing endpoints waits for an outcome to be written with. */
const NOTED_AFTER_MS = 500;

/**
 * Writes what was sent and what it led to: attempts and new delivery states, many in one transaction. While the
 * store cannot write, outcomes wait here and are tried again; nothing is forgotten, and sending pauses when they are
 * too many. An outcome lost by a crash leaves its delivery leased, so that it is sent again.
 *
 * One that the store refuses for what it is must not keep the others from being written: each failure halves the next batch, and
 * one that fails alone goes to the end. When others were written by the time it fails alone again, it is laid aside.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  #waiting: Waiting[] = [];
  /** What alone is refused: it waits for longer. */
  #aside = 0;
  readonly #asideTimers = new Set<Timer>();
  /** Outcomes that the next write takes at most, and how many writes have worked. */
  #most = RECORD_BATCH_ATTEMPTS;
  #writes = 0;
  #timer: Timer | null = null;
  #noteTimer: Timer | null = null;
  #writing = false;
  #stopped = false;
  #crowded = false;
  #pauseMs = 0;
  #failed: Error | null = null;
  #idle: (() => void)[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** One attempt that ended. */
  add(delivery: LeasedDelivery, exchange: Exchange, { url, applicationKey, retryPolicy }: Sent): void {
    const { clock, random, ids, announces } = this.#options;
    const isResend = delivery.resendKey !== null;
    const number = isResend ? 0 : delivery.attemptCount + 1;
    const verdict = isResend
      ? afterResend(exchange)
      : afterAttempt({
          exchange,
          attemptNumber: number,
          policy: retryPolicy,
          expiresAt: delivery.expiresAt,
          now: clock.now(),
          random,
        });
    const type = announcement(delivery, verdict);
    this.#learn(delivery, exchange);
    this.#waiting.push({
      unsure: false,
      failedAloneAt: null,
      delivery,
      result: {
        applicationKey,
        lease: delivery,
        attempt: {
          id: ids.next('atmpt'),
          messageKey: delivery.messageKey,
          endpointKey: delivery.endpointKey,
          number,
          trigger: isResend ? 'manual' : 'scheduled',
          url,
          exchange,
        },
        verdict,
        announce: type !== null && announces(applicationKey, type) ? type : null,
        keepLease: verdict.state === 'pending' && this.#options.keeps(delivery, verdict.nextAttemptAt),
      },
    });
    if (!this.#crowded && this.#size >= RECORD_QUEUE_ATTEMPTS) {
      this.#crowded = true;
      this.#options.crowded(true);
    }
    this.#schedule();
  }

  /** What the endpoint's state is by this. A resend that fails says nothing: a person may try what they like. */
  #learn({ endpointKey, resendKey }: LeasedDelivery, exchange: Exchange): void {
    const { failing, gone, clock } = this.#options;
    if (succeeded(exchange)) failing.succeeded(endpointKey);
    else if (exchange.status === GONE) gone(endpointKey);
    else if (resendKey === null) failing.failed(endpointKey, clock.now());
  }

  /** What is known of failing endpoints changed by itself: it is written soon, whether or not something else is. */
  note(): void {
    if (this.#stopped) return;
    this.#noteTimer ??= this.#options.clock.timer(NOTED_AFTER_MS, () => {
      this.#noteTimer = null;
      if (this.#options.failing.changes(1).length === 0) return;
      if (this.#writing || this.#waiting.length > 0) {
        this.note();
        return;
      }
      this.#writing = true;
      void this.#write();
    });
  }

  /** Why the last outcomes could not be written; null: they could. */
  get failure(): Error | null {
    return this.#failed;
  }

  /** Resolves when everything so far is on record. */
  drained(): Promise<void> {
    if (this.#stopped || (this.#size === 0 && !this.#writing)) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Outcomes that are not on record. */
  get #size(): number {
    return this.#waiting.length + this.#aside;
  }

  /** Writes nothing more: what still waits stays leased, and is sent again at the next start. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#noteTimer?.cancel();
    for (const timer of this.#asideTimers) timer.cancel();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #schedule(): void {
    if (this.#writing || this.#stopped) return;
    if (this.#waiting.length >= RECORD_BATCH_ATTEMPTS && this.#pauseMs === 0) {
      this.#timer?.cancel();
      this.#timer = null;
      this.#writing = true;
      this.#options.clock.soon(() => void this.#write());
      return;
    }
    this.#timer ??= this.#options.clock.timer(Math.max(this.#pauseMs, RECORD_WINDOW_MS), () => {
      this.#timer = null;
      this.#writing = true;
      void this.#write();
    });
  }

  async #write(): Promise<void> {
    const { store, clock, failing, announced } = this.#options;
    const batch = this.#waiting.slice(0, this.#most);
    // Not while it is found out which outcome is refused: it may be these.
    const seeks = batch.length > 0 && this.#most < RECORD_BATCH_ATTEMPTS;
    const changes = seeks ? [] : failing.changes(RECORD_BATCH_ATTEMPTS);
    try {
      const { held, dropped } = await store.deliveryRecord({
        results: batch.map(({ result, unsure }) => (unsure ? { ...result, again: true } : result)),
        now: clock.now(),
        ...(changes.length > 0 && { failing: changes }),
      });
      this.#waiting.splice(0, batch.length);
      failing.written(changes);
      if (changes.some(hasAnnouncements) || batch.some(({ result }) => result.announce !== null)) announced();
      this.#recovered();
      if (dropped.length > 0) this.#options.dropped(dropped);
      this.#options.settled(batch.map((waiting, index) => settlement(waiting, held[index] ?? false)));
      if (seeks) this.note();
    } catch (error) {
      if (error instanceof StoreError && error.code === 'unknown') {
        for (const waiting of batch) waiting.unsure = true;
      }
      this.#fail(error);
      if (batch.length === 0) this.note();
      else if (error instanceof StoreError && error.code === 'unavailable') this.#seek(batch);
    }
    this.#writing = false;
    if (this.#waiting.length > 0) this.#schedule();
    else if (this.#aside === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** A batch failed, perhaps for what one of it is. */
  #seek(batch: readonly Waiting[]): void {
    this.#most = Math.max(1, Math.floor(batch.length / 2));
    const [only] = batch;
    if (batch.length > 1 || only === undefined || this.#stopped) return;
    this.#waiting.shift();
    if (only.failedAloneAt === null || only.failedAloneAt === this.#writes) this.#waiting.push(only);
    else this.#layAside(only);
    only.failedAloneAt = this.#writes;
  }

  #layAside(waiting: Waiting): void {
    const { clock, log } = this.#options;
    const { id, messageKey, endpointKey } = waiting.result.attempt;
    // As a reason, not as an error of the store, which works.
    log.warn(
      { attemptId: id, messageKey, endpointKey, reason: this.#failed?.message },
      'an outcome is refused while others are recorded: it is tried again each minute, and its delivery stays as it is',
    );
    this.#failed = null;
    this.#pauseMs = 0;
    this.#aside++;
    const timer = clock.timer(ASIDE_MS, () => {
      this.#asideTimers.delete(timer);
      this.#aside--;
      this.#waiting.push(waiting);
      this.#schedule();
    });
    this.#asideTimers.add(timer);
  }

  #recovered(): void {
    this.#writes++;
    this.#most = Math.min(this.#most * 2, RECORD_BATCH_ATTEMPTS);
    this.#pauseMs = 0;
    this.#failed = null;
    if (this.#crowded && this.#size < RECORD_QUEUE_ATTEMPTS / 2) {
      this.#crowded = false;
      this.#options.crowded(false);
    }
  }

  #fail(error: unknown): void {
    const failed = error instanceof Error ? error : new Error(String(error));
    this.#failed = failed;
    const temporary = failed instanceof StoreError && ['unavailable', 'unknown'].includes(failed.code);
    if (!temporary) {
      this.#options.broken(failed);
      this.stop();
    }
    this.#options.log.warn({ err: failed }, 'outcomes cannot be recorded; they wait and are tried again');
    this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2), LONGEST_PAUSE_MS);
  }
}

function hasAnnouncements(change: EndpointFailingChange): boolean {
  return change.since !== null && (change.announcements?.length ?? 0) > 0;
}

/** What operators are told of an attempt. */
function announcement(
  { attemptCount, resendKey, announced }: LeasedDelivery,
  { state }: Verdict,
): AttemptAnnouncementType | null {
  if (state === 'succeeded') {
    // Memory may not know that they were told before; the store does.
    const mayBeKnown = announced || attemptCount >= FAILING_ATTEMPT || resendKey !== null;
    return mayBeKnown ? 'message.attempt.recovered' : null;
  }
  if (resendKey !== null) return null;
  if (state === 'failed') return 'message.attempt.exhausted';
  return state === 'pending' && attemptCount + 1 === FAILING_ATTEMPT ? 'message.attempt.failing' : null;
}

/** A delivery whose fence no longer held was taken out of our hands (cancelled, or another node's): it is done here. */
function settlement({ delivery, result, unsure }: Waiting, held: boolean): Settlement {
  const { verdict, keepLease } = result;
  const ours = held || unsure;
  return {
    delivery,
    nextAttemptAt: ours && verdict.state === 'pending' ? verdict.nextAttemptAt : null,
    kept: held && keepLease,
    arrived: ours && verdict.state === 'succeeded',
  };
}
