import { Accept } from './accept/accept.ts';
import type { Clock, Random } from './model/clock.ts';
import type { Sender, SendResultHandler } from './model/exchange.ts';
import type { Ids } from './model/id.ts';
import { createFences, firstFence } from './model/lease.ts';
import type { RetrySchedule } from './model/retry-schedule.ts';
import type { MasterKey } from './model/sealed.ts';
import { Redelivery } from './query/redelivery.ts';
import { Recorder } from './record/recorder.ts';
import { Registry } from './registry/registry.ts';
import { Schedule, type ScheduleOptions } from './schedule/schedule.ts';
import type { Store } from './store/store.ts';
import { Upkeep } from './upkeep/upkeep.ts';

export interface EngineOptions {
  store: Store;
  clock: Clock;
  random: Random;
  ids: Ids;
  masterKey: MasterKey;
  retrySchedule: RetrySchedule;
  requestTimeoutMs: number;
  scheduleLimits?: ScheduleOptions['limits'];
  /** The sender, given who takes its results. */
  makeSender(onResults: SendResultHandler): Sender;
  /** The store is broken: the process must not go on. */
  broken(error: Error): void;
  /** The application was deleted: its keys are no keys any more. */
  onApplicationDeleted(applicationKey: number): void;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

export interface Engine {
  readonly accept: Accept;
  readonly registry: Registry;
  /** Sending again, and never again. */
  readonly redelivery: Redelivery;
  /** Requests under way. */
  readonly inFlight: number;
  /** Deliveries in memory. */
  readonly resident: number;
  /** Takes up what the last run left behind. */
  start(): Promise<void>;
  /** Sends nothing new; publishes are still taken, and wait in the store. Resolves when nothing is under way. */
  stopSending(): Promise<void>;
  /** Resolves when every publish is answered and every outcome on record. Both must have stopped coming. */
  drain(): Promise<void>;
  /** Frees sockets, threads and timers, whatever is under way. */
  close(): Promise<void>;
}

export function createEngine(options: EngineOptions): Engine {
  const { store, log } = options;
  const { accept, registry, redelivery, schedule, sender, recorder, upkeep } = wire(options);
  return {
    accept,
    registry,
    redelivery,
    get inFlight() {
      return schedule.inFlight;
    },
    get resident() {
      return schedule.resident;
    },
    async start() {
      const released = await store.deliveryRelease({ before: firstFence(store.epoch) });
      if (released > 0) log.info({ released }, 'deliveries that the last run left under way go out again');
      await schedule.start();
      await upkeep.start();
    },
    stopSending: () => schedule.stop(),
    async drain() {
      await accept.drained();
      await recorder.drained();
    },
    async close() {
      upkeep.stop();
      recorder.stop();
      // What is broken off now did not fail: it stays leased, and goes out again at the next start.
      schedule.abandon();
      await sender.close();
    },
  };
}

/**
 * The rooms between a publish and its record, wired in the direction that data flows:
 *
 *     accept ──► schedule ──► sender ──► recorder ──► schedule (retries)
 *                    └──► upkeep (what an endpoint takes no more) · redelivery, upkeep ──► schedule (what is sent again, or never)
 */
function wire(options: EngineOptions) {
  const { store, clock, random, ids, log } = options;
  const fences = createFences(store.epoch);
  // What comes back to the schedule from the rooms beside it.
  const stored = (endpointKey: number, dueAt: number) => schedule.stored(endpointKey, dueAt);
  const dropped = (deliveries: Parameters<Schedule['drop']>[0]) => schedule.drop(deliveries);
  const upkeep = new Upkeep({ store, clock, stored, dropped, log });
  const registry = new Registry({
    ...options,
    onEndpointChanged: (endpointKey) => {
      schedule.endpointChanged(endpointKey);
      upkeep.endpointChanged(endpointKey);
    },
    onEndpointDeleted: (endpointKey) => {
      schedule.endpointDeleted(endpointKey);
      upkeep.withdraw(endpointKey);
    },
  });
  const redelivery = new Redelivery({
    store,
    ids,
    clock,
    stored,
    dropped,
    recovering: (recovery) => upkeep.recover(recovery),
  });
  const sender = options.makeSender((results) => schedule.results(results));
  const schedule = new Schedule({
    store,
    clock,
    fences,
    requestTimeoutMs: options.requestTimeoutMs,
    limits: options.scheduleLimits,
    destination: (endpointKey) => registry.destination(endpointKey),
    send: (jobs) => sender.send(jobs),
    ended: (delivery, exchange, url) => recorder.add(delivery, exchange, url),
    orphaned: (endpointKey) => upkeep.withdraw(endpointKey),
    log,
  });
  const recorder = new Recorder({
    store,
    clock,
    random,
    ids,
    schedule: options.retrySchedule,
    keeps: (delivery, nextAttemptAt) => schedule.keeps(delivery, nextAttemptAt),
    settled: (settlements) => schedule.settled(settlements),
    crowded: (yes) => (yes ? schedule.pause() : schedule.resume()),
    broken: options.broken,
    log,
  });
  const accept = new Accept({
    store,
    clock,
    ids,
    fences,
    lanes: schedule,
    broken: options.broken,
    endpoints: (applicationKey) => registry.endpoints(applicationKey),
  });

  return { accept, registry, redelivery, schedule, sender, recorder, upkeep };
}
