import { LOOK_MS } from '../limits.ts';
import type { Clock, Timer } from '../model/clock.ts';
import type { Signal, Store } from '../store/store.ts';

type Of<Kind extends Signal['kind']> = Extract<Signal, { kind: Kind }>;

export interface HearingOptions {
  store: Pick<Store, 'shared' | 'listen'>;
  clock: Clock;
  /** These were changed or deleted, they or endpoints of theirs. */
  applications(applicationKeys: readonly number[]): void;
  /** The catalogue was changed. */
  eventTypes(): Promise<void>;
  keys(): void;
  stored(endpoints: Of<'stored'>['endpoints']): void;
  dropped(leases: Of<'dropped'>['leases']): void;
  /** A task began, or another than this process changed one. */
  tasks(): Promise<void>;
  announced(): void;
  hurry(endpointKey: number): void;
  /** What is known of failing endpoints is to be read anew. */
  failing(): Promise<void>;
  /** Much may have been missed: all that is in memory is to be compared with the store. */
  missed(): Promise<void>;
  /** Now and then, in case that one signal was missed. */
  look(): Promise<void>;
  log: { warn(fields: object, text: string): void };
}

/**
 * What the other processes on a store do, as this one hears of it. Reads that follow from it are made one at a time: whatever comes
 * meanwhile leads to one more.
 */
export class Hearing {
  readonly #options: HearingOptions;
  /** Reads of more than a row, by what leads to them. */
  readonly #reads: Partial<Record<Signal['kind'], () => void>>;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.#reads = {
      event_types: this.#oneAtATime(options.eventTypes),
      task: this.#oneAtATime(options.tasks),
      failing: this.#oneAtATime(options.failing),
      look: this.#oneAtATime(options.missed),
    };
  }

  start(): void {
    const { store } = this.#options;
    if (!store.shared) return;
    store.listen((signals) => this.hear(signals));
    this.#lookLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  hear(signals: readonly Signal[]): void {
    if (this.#stopped) return;
    const applications = new Set<number>();
    const kinds = new Set<Signal['kind']>();
    for (const signal of signals) {
      kinds.add(signal.kind);
      if (signal.kind === 'application') applications.add(signal.applicationKey);
      else if (signal.kind === 'stored') this.#options.stored(signal.endpoints);
      else if (signal.kind === 'dropped') this.#options.dropped(signal.leases);
      else if (signal.kind === 'hurry') this.#options.hurry(signal.endpointKey);
    }
    if (applications.size > 0) this.#options.applications([...applications]);
    if (kinds.has('keys')) this.#options.keys();
    if (kinds.has('announced')) this.#options.announced();
    for (const kind of kinds) this.#reads[kind]?.();
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(LOOK_MS, () => {
      void this.#attempt(this.#options.look).then(() => this.#lookLater());
    });
  }

  #oneAtATime(work: () => Promise<void>): () => void {
    let running = false;
    let again = false;
    const run = async () => {
      running = true;
      do {
        again = false;
        await this.#attempt(work);
      } while (again && !this.#stopped);
      running = false;
    };
    return () => {
      if (running) again = true;
      else void run();
    };
  }

  /** One that fails comes again: the next look, or the signal with which the store comes back. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#stopped)
        this.#options.log.warn({ err: error }, 'what other nodes did could not be read; trying again');
    }
  }
}
