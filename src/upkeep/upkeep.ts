import type { Clock } from '../model/clock.ts';
import type { Lease } from '../model/lease.ts';
import type { Stopped, Store } from '../store/store.ts';
import { Expired } from './expired.ts';
import { Jobs, type JobsOptions } from './jobs.ts';
import type { RunningTask } from './tasks.ts';
import { Withdrawals } from './withdrawals.ts';

export interface UpkeepOptions {
  store: JobsOptions['store'] & Pick<Store, 'deliveryWithdraw' | 'deliveryOrphans' | 'deliveryCancel'>;
  clock: Clock;
  /** Deliveries of this endpoint wait in the store again, due at `dueAt`. */
  stored(endpointKey: number, dueAt: number): void;
  /** These are void. */
  dropped(leases: readonly Lease[]): void;
  /** Publishes into the operational application: see `AnnouncementsOptions`. */
  publish: JobsOptions['publish'];
  /** How long messages are kept, in ms; null: for ever. */
  keepMs: number | null;
  log: { warn(fields: object, text: string): void };
}

/**
 * The work that nobody waits for, in small steps. What comes of this process's own doings it does itself; what one process does for
 * all on a store, only while it leads.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #withdrawals: Withdrawals;
  readonly #expired: Expired;
  /** Null: another process does them. */
  #jobs: Jobs | null = null;
  #stopped = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#withdrawals = new Withdrawals(options);
    this.#expired = new Expired({ ...options, follow: this.#follow });
  }

  /** This process leads: takes up what others left. Rejects as the store does, and may be called again. */
  async start(): Promise<void> {
    if (this.#jobs !== null || this.#stopped) return;
    const jobs = new Jobs({ ...this.#options, follow: this.#follow });
    this.#jobs = jobs;
    try {
      await this.withdrawOrphans();
      await jobs.start();
    } catch (error) {
      jobs.stop();
      if (this.#jobs === jobs) this.#jobs = null;
      throw error;
    }
  }

  /** Another process leads. */
  rest(): void {
    this.#jobs?.stop();
    this.#jobs = null;
  }

  stop(): void {
    this.#stopped = true;
    this.rest();
    this.#withdrawals.stop();
    this.#expired.stop();
  }

  /** A process that ended between the deletion of an endpoint and the end of its deliveries left these. */
  async withdrawOrphans(): Promise<void> {
    for (const endpointKey of await this.#options.store.deliveryOrphans()) this.withdraw(endpointKey);
  }

  /** Takes back what is open for an endpoint that was deleted, disabled or paused. */
  withdraw(endpointKey: number): void {
    this.#withdrawals.add(endpointKey);
  }

  /** The endpoint may take something again: tasks that waited for that go on. */
  endpointChanged(endpointKey: number): void {
    this.#jobs?.tasks.again(endpointKey);
  }

  /** One of its endpoints may. */
  applicationChanged(applicationKey: number): void {
    this.#jobs?.tasks.againOf(applicationKey);
  }

  /** Goes on with a task until it ends, if this process leads. */
  task(task: RunningTask): void {
    this.#jobs?.tasks.add(task);
  }

  /** Other processes may have begun tasks, or written announcements. */
  async look(): Promise<void> {
    await this.#jobs?.look();
  }

  /** These were found in memory too old to be worth sending: they are cancelled in the store. */
  expired(deliveries: readonly { readonly messageKey: number; readonly endpointKey: number }[]): void {
    this.#expired.add(deliveries);
  }

  /** Announcements were written, or may have been. */
  announced(): void {
    this.#jobs?.announcements.poke();
  }

  readonly #follow = ({ dropped, stored }: Stopped): void => {
    if (dropped.length > 0) this.#options.dropped(dropped);
    for (const { endpointKey, dueAt } of stored) this.#options.stored(endpointKey, dueAt);
  };
}
