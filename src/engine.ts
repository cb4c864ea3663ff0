import { Accept } from './accept/accept.ts';
import { LateReleases } from './accept/late-releases.ts';
import type { Clock, Random } from './model/clock.ts';
import type { Sender, SendResultHandler } from './model/exchange.ts';
import type { Ids } from './model/id.ts';
import { createFences } from './model/lease.ts';
import type { RetrySchedule } from './model/retry-schedule.ts';
import type { MasterKey } from './model/sealed.ts';
import { Hearing } from './nodes/hearing.ts';
import { Membership } from './nodes/membership.ts';
import { Telling } from './nodes/telling.ts';
import { Explainer } from './query/explain.ts';
import { Reader } from './query/reader.ts';
import { Redelivery } from './query/redelivery.ts';
import { Statistics } from './query/statistics.ts';
import { Disabling } from './record/disabling.ts';
import { Failing } from './record/failing.ts';
import { Recorder } from './record/recorder.ts';
import { Registry } from './registry/registry.ts';
import { brokenElsewhere, type LaneState } from './schedule/lane-state.ts';
import { Schedule, type ScheduleOptions } from './schedule/schedule.ts';
import { type Store, StoreError } from './store/store.ts';
import { Doubts } from './upkeep/doubts.ts';
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
  /** This process among those on its store: a name for people, and how long the others wait for its beat: see `Membership`. */
  node: { readonly name: string; readonly leaseMs: number };
  /** How long messages are kept, in ms; null: for ever. */
  keepMs: number | null;
  /** The sender, given who takes its results. */
  makeSender(onResults: SendResultHandler): Sender;
  /** The store is broken: the process must not go on. */
  broken(error: Error): void;
  /** The application was deleted: its keys are no keys any more. */
  onApplicationDeleted(applicationKey: number): void;
  /** Another process made, changed or revoked keys. */
  onKeysChanged(): void;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

export interface Engine {
  readonly accept: Accept;
  readonly registry: Registry;
  readonly reader: Reader;
  readonly statistics: Statistics;
  /** Sending again, and never again. */
  readonly redelivery: Redelivery;
  readonly explainer: Explainer;
  /** What is known of an endpoint's lane, in memory and by other nodes; null: nothing. */
  state(endpointKey: number): LaneState | null;
  /** Since when an endpoint does nothing but fail; null when it does not. */
  failing(endpointKey: number): ReturnType<Failing['of']>;
  /** Why nothing is sent, or taken, or recorded, at present; null: all of it goes on. */
  readonly trouble: Error | null;
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
  const rooms = wire(options);
  const { accept, registry, reader, redelivery, explainer, schedule, sender, failing, recorder } = rooms;
  const { upkeep, lateReleases, membership, hearing, doubts } = rooms;
  return {
    accept,
    registry,
    reader,
    statistics: rooms.statistics,
    redelivery,
    explainer,
    state: (endpointKey) => laneOf(rooms, endpointKey),
    failing: (endpointKey) => failing.of(endpointKey),
    get trouble() {
      if (!membership.holds())
        return new StoreError('unavailable', 'This node has no lease: nothing is sent.');
      return recorder.failure ?? accept.failure;
    },
    get inFlight() {
      return schedule.inFlight;
    },
    get resident() {
      return schedule.resident;
    },
    async start() {
      await registry.start();
      await rooms.learnFailing();
      await membership.join();
      await schedule.start();
      if (membership.leads) await upkeep.start();
      hearing.start();
    },
    stopSending: () => schedule.stop(),
    async drain() {
      await accept.drained();
      await recorder.drained();
    },
    async close() {
      hearing.stop();
      upkeep.stop();
      doubts.stop();
      lateReleases.stop();
      recorder.stop();
      // What is broken off now did not fail: it stays leased, and goes out again from another node or at the next start.
      schedule.abandon();
      await sender.close();
      await membership.leave();
    },
  };
}

/**
 * The rooms between a publish and its record, wired in the direction that data flows:
 *
 *     accept ──► schedule ──► sender ──► recorder ──► schedule (retries) · registry (endpoints that are gone, or fail too long)
 *                    └──► upkeep (what an endpoint takes no more) · redelivery, upkeep ──► schedule (what is sent again, or never)
 *                                                                   upkeep ──► accept (what operators are told)
 *
 * Beside it, where others share the store: membership ──► schedule (what this node may send, and what not) · upkeep (whether it leads),
 * hearing ──► all that others change, telling ──► the others.
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
    ...nodes(options, rooms),
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
  readonly statistics: Statistics;
  readonly redelivery: Redelivery;
  readonly explainer: Explainer;
  readonly upkeep: Upkeep;
  readonly lateReleases: LateReleases;
  readonly doubts: Doubts;
  readonly membership: Membership;
  readonly hearing: Hearing;
  readonly telling: Telling;
  /** What the store knows of endpoints that fail. */
  learnFailing(): Promise<void>;
}

/** From a publish to the request that it leads to. */
function flow(options: EngineOptions, rooms: Rooms) {
  const { store, clock, ids, log, broken, requestTimeoutMs, scheduleLimits } = options;
  const fences = createFences();
  const sender = options.makeSender((results) => schedule.results(results));
  const membership = new Membership({
    ...options.node,
    store,
    clock,
    fences,
    renewed: (until) => sender.holdUntil(until),
    changed() {
      schedule.sharesChanged();
      lead(options, rooms);
    },
    leaseChanged: () => schedule.leaseChanged(),
    forfeited(range) {
      schedule.forfeit(range.before);
      rooms.doubts.add(range);
    },
    released: (stored) => schedule.heard(stored),
    ended: () => unawaited(rooms.upkeep.withdrawOrphans(), options),
    log,
  });
  const doubtful = (fence: number) => rooms.doubts.add({ from: fence, before: fence + 1 });
  const schedule = new Schedule({
    store,
    clock,
    fences,
    shares: membership,
    requestTimeoutMs,
    limits: scheduleLimits,
    destination: (endpointKey) => rooms.registry.destination(endpointKey),
    send: (jobs) => sender.send(jobs),
    ended: (delivery, exchange, sent) => rooms.recorder.add(delivery, exchange, sent),
    expired: (deliveries) => rooms.upkeep.expired(deliveries),
    orphaned: (endpointKey) => rooms.upkeep.withdraw(endpointKey),
    breakerChanged(endpointKey, open) {
      // A process alone has nobody to tell, and learns anew at each start.
      if (!store.shared) return;
      rooms.failing.breaker(endpointKey, open, clock.now());
      rooms.recorder.note();
    },
    handedOver: (endpoints) => rooms.telling.stored(endpoints),
    doubtful,
    log,
  });
  const accept = new Accept({
    store,
    clock,
    ids,
    fences,
    lanes: schedule,
    broken,
    registered: (applicationKey) => rooms.registry.registered(applicationKey),
    outdated: (applicationKey, revision) => rooms.registry.outdated(applicationKey, revision),
    doubtful,
    heldLate: (applicationKey, endpointKey) => rooms.lateReleases.add(applicationKey, endpointKey),
    log,
  });
  return { accept, schedule, sender, membership };
}

/** Does what one node does for all, or leaves it to another. */
function lead(options: EngineOptions, { membership, upkeep }: Rooms): void {
  if (membership.leads) unawaited(upkeep.start(), options);
  else upkeep.rest();
}

/** Whose end nobody waits for. What fails is tried again with the next look. */
function unawaited(work: Promise<void>, { log }: EngineOptions): void {
  work.catch((error: unknown) =>
    log.warn({ err: error }, 'what other nodes left could not be taken up; trying again'),
  );
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
    dropped: (leases) => rooms.schedule.drop(leases),
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
    onEndpointUnsure(endpointKey) {
      // What is not in memory is looked at when it comes.
      if (rooms.schedule.state(endpointKey) !== null) rooms.schedule.endpointChanged(endpointKey);
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

/** What is known of an endpoint's lane. One that another node sends for is broken when that says so. */
function laneOf({ schedule, failing, membership }: Rooms, endpointKey: number): LaneState | null {
  const known = schedule.state(endpointKey);
  const isHere = membership.count === 1 || known?.elsewhere === false;
  return isHere || !failing.broken(endpointKey) ? known : brokenElsewhere(known);
}

/** What people ask about deliveries. */
function requests(options: EngineOptions, rooms: Rooms) {
  const { store, clock, ids, retrySchedule } = options;
  const reader = new Reader(store, clock);
  const statistics = new Statistics(store, clock);
  const redelivery = new Redelivery({
    store,
    ids,
    clock,
    ...consequences(rooms),
    hurry(endpointKey) {
      if (!rooms.schedule.hurry(endpointKey)) rooms.telling.hurry(endpointKey);
    },
    sends: (endpointKey, messageKey) => rooms.schedule.sends(endpointKey, messageKey, { resends: false }),
    reader,
    taskBegan: (task) => rooms.upkeep.task(task),
  });
  const explainer = new Explainer({
    store,
    reader,
    clock,
    retrySchedule,
    state: (endpointKey) => laneOf(rooms, endpointKey),
    sends: (endpointKey, messageKey) => rooms.schedule.sends(endpointKey, messageKey, { resends: true }),
    eventType: (name) => rooms.registry.eventTypeFind(name),
    payloadProblems: (...asked) => rooms.registry.payloadProblems(...asked),
  });
  return { reader, statistics, redelivery, explainer };
}

/** What goes on by itself. */
function background(options: EngineOptions, rooms: Rooms) {
  const { store, clock, keepMs, log } = options;
  const upkeep = new Upkeep({
    store,
    clock,
    keepMs,
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
  const doubts = new Doubts({ store, clock, stored: consequences(rooms).stored, log });
  return { upkeep, lateReleases, doubts };
}

/** What other processes do, and what they are told. */
function nodes(options: EngineOptions, rooms: Rooms) {
  const { store, clock, onKeysChanged, log } = options;
  const learnFailing = async () => {
    const broken = await rooms.failing.reload(() => store.endpointFailing());
    if (store.shared) rooms.schedule.heardBroken(broken);
  };
  const look = async () => {
    lead(options, rooms);
    await learnFailing();
    await Promise.all([rooms.schedule.look(), rooms.upkeep.look()]);
  };
  const hearing = new Hearing({
    store,
    clock,
    applications(applicationKeys) {
      rooms.registry.heardChange(applicationKeys);
      for (const key of applicationKeys) rooms.upkeep.applicationChanged(key);
    },
    eventTypes: () => rooms.registry.eventTypes.load(),
    keys: onKeysChanged,
    stored: (endpoints) => rooms.schedule.heard(endpoints),
    dropped: (leases) => rooms.schedule.drop(leases),
    tasks: () => rooms.upkeep.look(),
    announced: () => rooms.upkeep.announced(),
    hurry: (endpointKey) => void rooms.schedule.hurry(endpointKey),
    failing: learnFailing,
    async missed() {
      onKeysChanged();
      rooms.membership.look();
      await Promise.all([rooms.registry.look(), look()]);
    },
    look,
    log,
  });
  return { hearing, telling: new Telling({ store, log }), learnFailing };
}

/** What a change in the store means to the schedule. */
function consequences(rooms: Rooms): { stored: Schedule['stored']; dropped: Schedule['drop'] } {
  return {
    stored: (endpointKey, dueAt) => rooms.schedule.stored(endpointKey, dueAt),
    dropped: (leases) => rooms.schedule.drop(leases),
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
