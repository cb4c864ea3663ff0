import { ApiError } from './errors.ts';
import { STORE_PROBE_MS, STORE_TROUBLE_MS } from './limits.ts';
import type { Clock, Timer } from './model/clock.ts';
import { type Store, StoreError } from './store/store.ts';

export interface StoreTroubleOptions {
  store: Pick<Store, 'check'>;
  /** Whether something fails all the same, though nothing of it was said lately: it is tried again in a while. */
  lasts(): boolean;
  clock: Clock;
  log: Log;
}

interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

interface Failed {
  times: number;
  /** Of the last time. */
  error: string;
}

/**
 * Says once that the store fails, once that it works again, and what fails in between once in a while: a store that is away fails
 * all that goes on, again and again, and each says so for the same reason.
 *
 *     well ──a failure: is told──► trouble ──told once a minute──┐
 *      ▲                             │  ▲────────────────────────┘
 *      └── nothing failed for a while, nothing waits to be tried again, and a check works: is told
 */
export class StoreTrouble {
  readonly #options: StoreTroubleOptions;
  #timer: Timer | null = null;
  #failedAt = 0;
  #toldAt = 0;
  /** What failed since it was told last, by what was said of it. */
  readonly #failed = new Map<string, Failed>();
  #checking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: StoreTroubleOptions) {
    this.#options = options;
  }

  /** A log that keeps what is said of a store that fails in bounds. All else is written as it comes. */
  quiet<L extends Log>(log: L): L {
    const warn = (fields: object & { err?: unknown }, text: string) => {
      const error = storeErrorIn(fields.err);
      if (error === null) log.warn(fields, text);
      else this.#met(error, fields, text);
    };
    return new Proxy(log, {
      get: (target, name) => {
        if (name === 'warn') return warn;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** Whether the store reads and writes. However many ask, it is asked once at a time, and does not take for ever to answer. */
  async check(): Promise<void> {
    const { store, clock } = this.#options;
    this.#checking ??= store.check().finally(() => {
      this.#checking = null;
    });
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.timer(STORE_PROBE_MS, () =>
        reject(
          new StoreError('unavailable', `The store does not answer within ${STORE_PROBE_MS / 1_000} s.`),
        ),
      );
    });
    try {
      await Promise.race([this.#checking, late]);
    } finally {
      timer?.cancel();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #met(error: Error, fields: object, text: string): void {
    const { clock, log } = this.#options;
    this.#failedAt = clock.monotonic();
    if (this.#timer !== null) {
      this.#count(error, text);
      return;
    }
    this.#toldAt = this.#failedAt;
    log.warn({ ...fields, err: plain(error) }, text);
    this.#lookLater();
  }

  #count({ message }: Error, text: string): void {
    const times = (this.#failed.get(text)?.times ?? 0) + 1;
    this.#failed.set(text, { times, error: message });
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(STORE_TROUBLE_MS.quiet, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    const works = await this.check().then(
      () => true,
      (error: Error) => {
        this.#count(error, 'a check');
        return false;
      },
    );
    if (this.#stopped) return;
    const isQuiet = clock.monotonic() - this.#failedAt >= STORE_TROUBLE_MS.quiet;
    if (works && isQuiet && !this.#options.lasts()) {
      this.#timer = null;
      log.info(this.#told(), 'the store works again');
      return;
    }
    if (clock.monotonic() - this.#toldAt >= STORE_TROUBLE_MS.told) {
      this.#toldAt = clock.monotonic();
      log.warn(this.#told(), 'the store still fails');
    }
    this.#lookLater();
  }

  /** What failed meanwhile, which is then forgotten. */
  #told(): object {
    const failed = Object.fromEntries(this.#failed);
    this.#failed.clear();
    return { failed };
  }
}

/** What the store said, if it is that which failed, for now. */
function storeErrorIn(error: unknown): Error | null {
  if (error instanceof StoreError) return ['unavailable', 'unknown'].includes(error.code) ? error : null;
  if (!(error instanceof ApiError) || error.code !== 'unavailable') return null;
  return storeErrorIn(error.cause) ?? error;
}

/** Its text has what its cause says; where it was met says nothing of a store that is away. */
function plain({ name, message }: Error): object {
  return { type: name, message };
}
