import type { Destination } from '../../src/model/destination.ts';
import type { SendJob } from '../../src/model/exchange.ts';
import { createFences, firstFence, type Lease, type LeasedDelivery } from '../../src/model/lease.ts';
import type { Shares } from '../../src/model/shares.ts';
import { owner } from '../../src/nodes/ownership.ts';
import { Schedule, type ScheduleOptions } from '../../src/schedule/schedule.ts';
import { ManualClock } from './manual-clock.ts';
import { NOTHING_AHEAD } from './scheduling.ts';

/** A delivery as the store has it. */
export interface Row {
  readonly messageKey: number;
  readonly endpointKey: number;
  readonly orderKey: string | null;
  state: 'pending' | 'sending' | 'ended';
  fence: number;
  dueAt: number;
}

export interface Request {
  readonly at: number;
  readonly node: Node;
  readonly endpointKey: number;
  readonly messageKey: number;
  readonly ref: number;
  endedAt: number | null;
}

/** A signal of the store is with the other nodes after so long. */
const SIGNAL_MS = 5;
export const RETRY_MS = 20_000;

/** Several nodes over one store, which keeps rows, passes signals on, and remembers which breakers are open. */
export class ScheduledNodes {
  readonly clock = new ManualClock();
  /** By the message's key, which begins with 1. */
  readonly rows: Row[] = [];
  readonly #rowsOf = new Map<number, Row[]>();
  readonly broken = new Set<number>();
  readonly destinations = new Map<number, Partial<Destination> | null>();
  readonly requests: Request[] = [];
  /** Lanes that were claimed for. */
  claims = 0;
  nodes: Node[] = [];
  /** Whether signals arrive. */
  deaf = false;
  /** When memory does not know endpoints: they are looked up in the store, which takes so long. */
  lookUpMs: number | null = null;
  /** And whether memory knows them from then on. */
  remembers = true;
  limits: ScheduleOptions['limits'];
  #lastEpoch = 0;
  #lastMessageKey = 0;

  static async of(count: number): Promise<ScheduledNodes> {
    const world = new ScheduledNodes();
    for (let n = 0; n < count; n++) await world.join();
    return world;
  }

  get live(): number[] {
    return this.nodes.map(({ epoch }) => epoch);
  }

  async join(): Promise<Node> {
    const node = new Node(this, ++this.#lastEpoch);
    this.nodes = [...this.nodes, node];
    // As `Membership` does: whoever joins is not told that it did.
    for (const each of this.nodes) if (each !== node) each.schedule.sharesChanged();
    node.schedule.heardBroken(new Set(this.broken));
    await node.schedule.start();
    return node;
  }

  /** It dies; the others notice at once, and release what it had. */
  leave(gone: Node): void {
    this.nodes = this.nodes.filter((node) => node !== gone);
    gone.schedule.abandon();
    for (const request of this.underWay())
      if (request.node === gone) request.endedAt = this.clock.monotonic();
    this.release(gone.epoch);
    for (const { schedule } of this.nodes) schedule.sharesChanged();
  }

  release(epoch: number): void {
    for (const row of this.rows) {
      if (row.state === 'sending' && row.fence >= firstFence(epoch) && row.fence < firstFence(epoch + 1))
        row.state = 'pending';
    }
  }

  /** The node was taken for dead: its leases are released, and it joins again. */
  rejoin(node: Node): void {
    this.release(node.epoch);
    const before = firstFence(node.epoch + 1);
    node.epoch = ++this.#lastEpoch;
    node.fences.begin(node.epoch);
    node.schedule.forfeit(before);
    for (const { schedule } of this.nodes) schedule.sharesChanged();
  }

  /** Endpoints in tests belong to application 1, unless they say otherwise. */
  destination(endpointKey: number): Destination | null {
    const known = this.destinations.get(endpointKey);
    if (known === null) return null;
    const href = `http://${endpointKey}.example.com/`;
    const target = { applicationKey: 1, href, headers: {}, secrets: [] };
    const retryPolicy = { schedule: { delaysMs: [], jitter: 0 }, finalStatuses: [] };
    const throttles = { throttleRate: null, applicationThrottleRate: null };
    const limits = { ...throttles, maxInFlight: 32, ordering: 'none' } as const;
    return { target, heldReason: null, ...limits, retryPolicy, ...known };
  }

  change(endpointKey: number, changes: Partial<Destination> | null): void {
    this.destinations.set(endpointKey, changes);
    for (const { schedule } of this.nodes) {
      if (changes === null) schedule.endpointDeleted(endpointKey);
      else schedule.endpointChanged(endpointKey);
    }
  }

  /** As accept does, through this node. Without one: in SQL, by somebody else. */
  publish(node: Node | null, endpointKey: number): number {
    const messageKey = ++this.#lastMessageKey;
    const ordered = (this.destination(endpointKey)?.ordering ?? 'none') !== 'none';
    const row: Row = {
      messageKey,
      endpointKey,
      orderKey: ordered ? '' : null,
      state: 'pending',
      fence: 0,
      dueAt: this.clock.now(),
    };
    this.rows.push(row);
    this.#rowsOf.set(endpointKey, [...(this.#rowsOf.get(endpointKey) ?? []), row]);
    if (node !== null && !ordered && node.schedule.admit(1, endpointKey, 2)) {
      node.schedule.push([this.lease(node, row)]);
      return messageKey;
    }
    this.tell(node, (schedule) => schedule.heard([{ endpointKey, dueAt: row.dueAt }]));
    node?.schedule.stored(endpointKey, row.dueAt);
    return messageKey;
  }

  lease(node: Node, row: Row, fence = node.fences.next()): LeasedDelivery {
    row.state = 'sending';
    row.fence = fence;
    const { messageKey, endpointKey, orderKey, dueAt } = row;
    const of = { messageKey, endpointKey, fence, resendKey: null, orderKey, nextAttemptAt: dueAt };
    return {
      ...of,
      messageId: `msg_${messageKey}`,
      payload: '{}',
      attemptCount: 0,
      expiresAt: null,
      announced: false,
    };
  }

  tell(from: Node | null, signal: (schedule: Schedule) => void): void {
    if (this.deaf) return;
    for (const node of this.nodes) {
      if (node !== from)
        this.clock.timer(SIGNAL_MS, () => this.nodes.includes(node) && signal(node.schedule));
    }
  }

  underWay(endpointKey?: number): Request[] {
    return this.requests.filter(
      (each) => each.endedAt === null && (endpointKey === undefined || each.endpointKey === endpointKey),
    );
  }

  /** What was sent for an endpoint, in order. */
  sent(endpointKey: number): Request[] {
    return this.requests.filter((each) => each.endpointKey === endpointKey);
  }

  /** Answers requests, all that are under way if none are named; records what came of them. */
  answer(status: number | null, requests: readonly Request[] = this.underWay()): number {
    for (const request of requests) {
      request.endedAt = this.clock.monotonic();
      request.node.answered(request, status);
    }
    return requests.length;
  }

  claim(node: Node, lane: { endpointKey: number; deliveries: number }) {
    const fence = node.fences.next();
    const due = this.#waiting(lane.endpointKey).filter(({ dueAt }) => dueAt <= this.clock.now());
    const claimed = due.slice(0, lane.deliveries).map((row) => this.lease(node, row, fence));
    const left = this.#waiting(lane.endpointKey);
    return { claimed, nextDueAt: left.length === 0 ? null : Math.min(...left.map(({ dueAt }) => dueAt)) };
  }

  backlog() {
    return [...this.#rowsOf.keys()].flatMap((endpointKey) => {
      const dueAts = this.#waiting(endpointKey).map(({ dueAt }) => dueAt);
      return dueAts.length === 0 ? [] : [{ endpointKey, nextDueAt: Math.min(...dueAts) }];
    });
  }

  /** What may be claimed: of a line, only the first. */
  #waiting(endpointKey: number): Row[] {
    const open = (this.#rowsOf.get(endpointKey) ?? []).filter(({ state }) => state !== 'ended');
    const first = open.find(({ orderKey }) => orderKey !== null);
    return open
      .filter((row) => row.state === 'pending' && (row.orderKey === null || row === first))
      .sort((a, b) => a.dueAt - b.dueAt);
  }
}

/** A schedule, and what is around it in a process. */
export class Node {
  readonly world: ScheduledNodes;
  /** Its first epoch. */
  readonly name: number;
  readonly fences = createFences();
  readonly schedule: Schedule;
  epoch: number;
  holds = true;
  claims = 0;
  /** Endpoints that were looked up in the store. */
  lookUps = 0;
  readonly orphaned: number[] = [];
  readonly refs = new Map<number, Request>();
  readonly #known = new Set<number>();
  #answer: { status: number | null } = { status: null };

  constructor(world: ScheduledNodes, epoch: number) {
    this.world = world;
    this.name = epoch;
    this.epoch = epoch;
    this.fences.begin(epoch);
    const { clock } = world;
    this.schedule = new Schedule({
      store: {
        deliveryBacklog: async () => world.backlog(),
        deliveryClaimDue: async ({ lanes }) => {
          this.claims += lanes.length;
          world.claims += lanes.length;
          return lanes.map((lane) => world.claim(this, lane));
        },
        deliveryUnlease: async ({ leases }) => this.#unlease(leases),
      },
      clock,
      fences: this.fences,
      requestTimeoutMs: 1_000,
      limits: world.limits ?? NOTHING_AHEAD,
      shares: this.#shares(),
      destination: (endpointKey) => this.#destination(endpointKey),
      send: (jobs) => this.#send(jobs),
      ended: (delivery) => this.#record(delivery),
      expired: () => {},
      orphaned: (endpointKey) => this.orphaned.push(endpointKey),
      breakerChanged: (endpointKey, open) => this.#breakerChanged(endpointKey, open),
      handedOver: (endpoints) => world.tell(this, (schedule) => schedule.heard(endpoints)),
      log: { warn: () => {} },
    });
  }

  owns(kind: 'endpoint' | 'application', key: number): boolean {
    return owner(kind, key, this.world.live) === this.epoch;
  }

  answered({ ref }: Request, status: number | null): void {
    this.#answer = { status };
    const exchange = { startedAt: 0, durationMs: 5, status, body: '', error: null, retryAfter: null };
    this.schedule.results([{ ref, exchange: { ...exchange, requestHeaders: '', responseHeaders: '' } }]);
  }

  /** The sender did not begin it. */
  refused(request: Request): void {
    this.world.requests.splice(this.world.requests.indexOf(request), 1);
    this.schedule.results([{ ref: request.ref, exchange: null }]);
  }

  #shares(): Shares {
    const { world } = this;
    const holds = () => this.holds;
    return {
      get count() {
        return Math.max(1, world.nodes.length);
      },
      owns: (kind, key) => this.owns(kind, key),
      holds,
    };
  }

  #destination(endpointKey: number): Destination | null | Promise<Destination | null> {
    const { clock, lookUpMs } = this.world;
    const found = () => this.world.destination(endpointKey);
    if (lookUpMs === null || this.#known.has(endpointKey)) return found();
    this.lookUps++;
    return new Promise((resolve) => {
      clock.timer(lookUpMs, () => {
        if (this.world.remembers) this.#known.add(endpointKey);
        resolve(found());
      });
    });
  }

  #send(jobs: readonly SendJob[]): void {
    for (const { ref, target, messageId } of jobs) {
      const endpointKey = Number(new URL(target.href).hostname.split('.')[0]);
      const at = this.world.clock.monotonic();
      const messageKey = Number(messageId.slice(4));
      this.world.requests.push({ at, node: this, endpointKey, messageKey, ref, endedAt: null });
    }
  }

  #unlease(leases: readonly Lease[]): number {
    const rows = leases.map((lease) => this.#rowOf(lease)).filter((row) => row !== undefined);
    for (const row of rows) row.state = 'pending';
    return rows.length;
  }

  #record(delivery: LeasedDelivery): void {
    const { clock } = this.world;
    const { status } = this.#answer;
    const arrived = status === 200;
    const dueAt = clock.now() + RETRY_MS;
    const kept = !arrived && this.schedule.keeps(delivery, dueAt);
    clock.timer(1, () => {
      const row = this.#rowOf(delivery);
      if (row !== undefined) {
        row.state = arrived ? 'ended' : kept ? 'sending' : 'pending';
        row.dueAt = dueAt;
      }
      const ours = row !== undefined;
      const nextAttemptAt = ours && !arrived ? dueAt : null;
      this.schedule.settled([{ delivery, nextAttemptAt, kept: ours && kept, arrived: ours && arrived }]);
    });
  }

  #breakerChanged(endpointKey: number, open: boolean): void {
    const { world } = this;
    if (open) world.broken.add(endpointKey);
    else world.broken.delete(endpointKey);
    world.tell(this, (schedule) => schedule.heardBroken(new Set(world.broken)));
  }

  #rowOf({ messageKey, fence }: Lease): Row | undefined {
    const row = this.world.rows[messageKey - 1];
    return row?.state === 'sending' && row.fence === fence ? row : undefined;
  }
}
