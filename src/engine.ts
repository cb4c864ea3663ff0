import { Accept } from './accept/accept.ts';
import { LateReleases } from './accept/late-releases.ts';
import type { Clock, Random } from './model/clock.ts';
import type { Sender, SendResultHandler } from './model/exchange.ts';
import type { Ids } from './model/id.ts';
import { createFences, firstFence } from './model/lease.ts';
import type { RetrySchedule } from './model/retry-schedule.ts';
import type { MasterKey } from './model/sealed.ts';
import { Explainer } from './query/explain.ts';
import { Reader } from './query/reader.ts';
import { Redelivery } from './query/redelivery.ts';
import { Disabling } from './record/disabling.ts';
import { Failing } from './record/failing.ts';
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
  /** Of endpoints that have none of their own. */
  retrySchedule: RetrySchedule;
  /** Nothing but failure for so long disables an endpoint; null: nothing does. */
  disableAfterMs: number | null;
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
  readonly reader: Reader;
  /** Sending again, and never again. */
  readonly redelivery: Redelivery;
  readonly explainer: Explainer;
  /** What memory knows of an endpoint's lane; null when it has none. */
  state(endpointKey: number): ReturnType<Schedule['state']>;
  /** Since when an endpoint does nothing but fail; null when it does not. */
  failing(endpointKey: number): ReturnType<Failing['of']>;
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
  const { store, clock, log } = options;
  const wired = wire(options);
  const { accept, registry, reader, redelivery, explainer, schedule, sender } = wired;
  const { failing, recorder, upkeep, lateReleases } = wired;
  return {
    accept,
    registry,
    reader,
    redelivery,
    explainer,
    state: (endpointKey) => schedule.state(endpointKey),
    failing: (endpointKey) => failing.of(endpointKey),
    get inFlight() {
      return schedule.inFlight;
    },
    get resident() {
      return schedule.resident;
    },
    async start() {
      await registry.start();
      failing.load(await store.endpointFailing());
      const released = await store.deliveryRelease({ before: firstFence(store.epoch), now: clock.now() });
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
      lateReleases.stop();
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
 *     accept ──► schedule ──► sender ──► recorder ──► schedule (retries) · registry (endpoints that are gone, or fail too long)
 *                    └──► upkeep (what an endpoint takes no more) · redelivery, upkeep ──► schedule (what is sent again, or never)
 *                                                                   upkeep ──► accept (what operators are told)
 */
function wire(options: EngineOptions): Rooms {
  // They call each other in a circle, but not before all of them are there.
  const rooms = {} as Rooms;
  const made: Rooms = {
    ...flow(options, rooms),
    ...records(options, rooms),
    ...endpoints(options, rooms),
    ...requests(options, rooms),
    ...background(options, rooms),
  };
  return Object.assign(rooms, made);
}

interface Rooms {
  readonly accept: Accept;
  readonly schedule: Schedule;
  readonly sender: Sender;
  readonly recorder: Recorder;
  readonly failing: Failing;
  readonly registry: Registry;
  readonly reader: Reader;
  readonly redelivery: Redelivery;
  readonly explainer: Explainer;
  readonly upkeep: Upkeep;
  readonly lateReleases: LateReleases;
}

/** From a publish to the request that it leads to. */
function flow(options: EngineOptions, rooms: Rooms) {
  const { store, clock, ids, log, broken, requestTimeoutMs, scheduleLimits } = options;
  const fences = createFences(store.epoch);
  const sender = options.makeSender((results) => schedule.results(results));
  const schedule = new Schedule({
    store,
    clock,
    fences,
    requestTimeoutMs,
    limits: scheduleLimits,
    destination: (endpointKey) => rooms.registry.destination(endpointKey),
    send: (jobs) => sender.send(jobs),
    ended: (delivery, exchange, sent) => rooms.recorder.add(delivery, exchange, sent),
    expired: (deliveries) => rooms.upkeep.expired(deliveries),
    orphaned: (endpointKey) => rooms.upkeep.withdraw(endpointKey),
    log,
  });
  const accept = new Accept({
    store,
    clock,
    ids,
    fences,
    lanes: schedule,
    broken,
    endpoints: (applicationKey) => rooms.registry.endpoints(applicationKey),
    heldLate: (applicationKey, endpointKey) => rooms.lateReleases.add(applicationKey, endpointKey),
  });
  return { accept, schedule, sender };
}

/** What came back, and what it says of the endpoint. */
function records(options: EngineOptions, rooms: Rooms) {
  const { store, clock, random, ids, log, broken, disableAfterMs } = options;
  const disabling = new Disabling({
    disable: (endpointKey, why) => rooms.registry.endpointDisable(endpointKey, why),
    log,
  });
  const failing = new Failing({
    disableAfterMs,
    isThere: (endpointKey) => rooms.registry.endpointIsKnown(endpointKey),
    announcements: (endpointKey, times) => rooms.registry.failingAnnouncements(endpointKey, times),
    overdue: (endpointKey, since) => disabling.ask(endpointKey, { reason: 'failing', since }),
    log,
  });
  const recorder = new Recorder({
    store,
    clock,
    random,
    ids,
    failing,
    gone(endpointKey) {
      const since = failing.of(endpointKey)?.since ?? clock.now();
      disabling.ask(endpointKey, { reason: 'gone', since });
    },
    announces: (applicationKey, type) => rooms.registry.announces(applicationKey, type),
    announced: () => rooms.upkeep.announced(),
    keeps: (delivery, nextAttemptAt) => rooms.schedule.keeps(delivery, nextAttemptAt),
    settled: (settlements) => rooms.schedule.settled(settlements),
    crowded: (yes) => (yes ? rooms.schedule.pause() : rooms.schedule.resume()),
    broken,
    log,
  });
  return { failing, recorder };
}

function endpoints(options: EngineOptions, rooms: Rooms) {
  const registry = new Registry({
    ...options,
    onEndpointChanged(endpointKey) {
      rooms.schedule.endpointChanged(endpointKey);
      rooms.upkeep.endpointChanged(endpointKey);
    },
    onEndpointEnabled: (endpointKey) => rooms.failing.forget(endpointKey),
    onEndpointDeleted(endpointKey) {
      rooms.failing.forget(endpointKey);
      rooms.schedule.endpointDeleted(endpointKey);
      rooms.upkeep.withdraw(endpointKey);
      // Tasks that waited for it have failed.
      rooms.upkeep.endpointChanged(endpointKey);
    },
    onTask: (task) => rooms.upkeep.task(task),
    onAnnounced: () => rooms.upkeep.announced(),
  });
  return { registry };
}

/** What people ask about deliveries. */
function requests(options: EngineOptions, rooms: Rooms) {
  const { store, clock, ids, retrySchedule } = options;
  const reader = new Reader(store, clock);
  const redelivery = new Redelivery({
    store,
    ids,
    clock,
    ...consequences(rooms),
    hurry: (endpointKey) => rooms.schedule.hurry(endpointKey),
    sends: (endpointKey, messageKey) => rooms.schedule.sends(endpointKey, messageKey, { resends: false }),
    reader,
    taskBegan: (task) => rooms.upkeep.task(task),
  });
  const explainer = new Explainer({
    store,
    reader,
    clock,
    retrySchedule,
    state: (endpointKey) => rooms.schedule.state(endpointKey),
    sends: (endpointKey, messageKey) => rooms.schedule.sends(endpointKey, messageKey, { resends: true }),
    eventType: (name) => rooms.registry.eventTypeFind(name),
    payloadProblems: (...asked) => rooms.registry.payloadProblems(...asked),
  });
  return { reader, redelivery, explainer };
}

/** What goes on by itself. */
function background(options: EngineOptions, rooms: Rooms) {
  const { store, clock, log } = options;
  const upkeep = new Upkeep({
    store,
    clock,
    ...consequences(rooms),
    publish: (messages) =>
      rooms.accept.publish({
        application: rooms.registry.operational,
        messages: messages.map((message) => ({ ...OPERATIONAL, ...message })),
        onlyEndpointKey: null,
        idempotency: null,
      }),
    log,
  });
  const lateReleases = new LateReleases({
    clock,
    async release(applicationKey, endpointKey) {
      const found = (await rooms.registry.withEndpoints(applicationKey)).endpointByKey(endpointKey);
      if (found) await rooms.redelivery.release(found.endpoint, { heldFor: 'endpoint_paused' });
    },
    log,
  });
  return { upkeep, lateReleases };
}

/** What a change in the store means to the schedule. */
function consequences(rooms: Rooms): { stored: Schedule['stored']; dropped: Schedule['drop'] } {
  return {
    stored: (endpointKey, dueAt) => rooms.schedule.stored(endpointKey, dueAt),
    dropped: (deliveries, resends) => rooms.schedule.drop(deliveries, resends),
  };
}

/** What is the same in all that operators are told. */
const OPERATIONAL = {
  channels: null,
  tags: null,
  deliverAt: null,
  expiresAt: null,
  payloadUntil: null,
};
