import { expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { type Node, ScheduledNodes } from '../../test/helpers/scheduled-nodes.ts';
import { LITTLE_ROOM } from '../../test/helpers/scheduling.ts';
import { BREAKER_PROBE_MS } from '../limits.ts';
import type { Destination } from '../model/destination.ts';
import { firstFence } from '../model/lease.ts';

const ENDPOINTS = 12;
const TICK_MS = 50;
const LOOK_MS = 10_000;
const NODES = 4;
const KINDS: readonly Partial<Destination>[] = [
  {},
  {},
  { ordering: 'endpoint' },
  { throttleRate: 40 },
  { applicationThrottleRate: 80 },
  { maxInFlight: 3 },
  { heldReason: 'endpoint_paused' },
];

/** Nodes over one store, of which anything may happen at any time. */
class Chaos {
  readonly world = new ScheduledNodes();
  readonly failing = new Set<number>();
  readonly #random;
  calm = false;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.world.limits = LITTLE_ROOM;
  }

  chance(part: number): boolean {
    return this.#random.fraction() < part;
  }

  pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random.fraction() * of.length)] as T;
  }

  endpoint(): number {
    return 1 + Math.floor(this.#random.fraction() * ENDPOINTS);
  }

  async happen(): Promise<void> {
    const { world, failing } = this;
    if (this.chance(0.5)) world.publish(this.chance(0.1) ? null : this.pick(world.nodes), this.endpoint());
    const burst = this.chance(0.01) ? this.endpoint() : null;
    for (let n = 0; burst !== null && n < 40; n++) world.publish(this.pick(world.nodes), burst);
    if (this.chance(0.01)) failing.add(this.endpoint());
    if (this.chance(0.01)) failing.delete(this.endpoint());
    if (this.chance(0.02)) world.change(this.endpoint(), this.pick(KINDS));
    if (this.chance(0.005)) this.pick(world.nodes).schedule.hurry(this.endpoint());
    if (this.chance(0.01)) world.deaf = !world.deaf;
    if (this.chance(0.01) && world.nodes.length < NODES) await world.join();
    if (this.chance(0.01) && world.nodes.length > 1) world.leave(this.pick(world.nodes));
    if (this.chance(0.005)) world.rejoin(this.pick(world.nodes));
    if (this.chance(0.02)) this.#hold(this.pick(world.nodes), this.chance(0.5));
  }

  settle(): void {
    this.calm = true;
    this.failing.clear();
    this.world.deaf = false;
    for (const node of this.world.nodes) this.#hold(node, true);
    for (let key = 1; key <= ENDPOINTS; key++) {
      if (this.world.destinations.get(key)?.heldReason) this.world.change(key, {});
    }
  }

  /** Lets time pass; what was sent is answered some of the times. */
  async tick(): Promise<void> {
    const { world } = this;
    const before = world.clock.monotonic();
    for (const request of world.underWay()) {
      if (!this.calm && this.chance(0.5)) continue;
      if (!request.node.holds && this.chance(0.5)) request.node.refused(request);
      else world.answer(this.failing.has(request.endpointKey) ? this.pick([500, null]) : 200, [request]);
    }
    await world.clock.advance(TICK_MS);
    if (Math.floor(before / LOOK_MS) === Math.floor(world.clock.monotonic() / LOOK_MS)) return;
    for (const { schedule } of world.nodes) {
      schedule.heardBroken(new Set(world.broken));
      void schedule.look();
    }
  }

  /** Requests of an ordered endpoint whose leases hold: the store gives one turn at a time. */
  leasedOf(endpointKey: number): number {
    return this.world.underWay(endpointKey).filter(({ node, messageKey }) => {
      const row = this.world.rows.find((each) => each.messageKey === messageKey);
      const holds =
        row !== undefined && row.fence >= firstFence(node.epoch) && row.fence < firstFence(node.epoch + 1);
      return holds && row.state === 'sending' && row.orderKey !== null;
    }).length;
  }

  #hold(node: Node, holds: boolean): void {
    node.holds = holds;
    node.schedule.leaseChanged();
  }
}

it.each(Array.from({ length: 12 }, (_, seed) => seed))(
  'nodes send everything in the end, whatever becomes of them (seed %i)',
  async (seed) => {
    const chaos = new Chaos(seed);
    const { world } = chaos;
    // Some do not have the endpoints in memory.
    if (seed % 3 === 0) world.lookUpMs = 2 * TICK_MS;
    await world.join();
    let alone = 0;
    for (let tick = 0; tick < 3_000; tick++) {
      await chaos.happen();
      await chaos.tick();
      if (world.nodes.length === 1) alone++;
      for (let key = 1; key <= ENDPOINTS; key++) expect(chaos.leasedOf(key)).toBeLessThanOrEqual(1);
    }
    expect(alone).toBeGreaterThan(0);
    expect(alone).toBeLessThan(2_500);
    // Nothing turns in circles: there was time for a hundred times as many.
    expect(world.claims).toBeLessThan(2 * world.rows.length);

    chaos.settle();
    const left = () => world.rows.filter(({ state }) => state !== 'ended');
    for (let tick = 0; tick < (2 * BREAKER_PROBE_MS.most) / TICK_MS && left().length > 0; tick++)
      await chaos.tick();
    expect(left()).toEqual([]);
    for (let tick = 0; tick < 2 * (LOOK_MS / TICK_MS); tick++) await chaos.tick();
    for (const { schedule } of world.nodes) {
      expect(schedule.inFlight).toBe(0);
      expect(schedule.resident).toBe(0);
    }
  },
  60_000,
);
