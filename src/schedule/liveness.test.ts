import { expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/manual-clock.ts';
import { LITTLE_ROOM, scheduling } from '../../test/helpers/scheduling.ts';
import type { Lease, LeasedDelivery } from '../model/lease.ts';
import { StoreError } from '../store/store.ts';

const ENDPOINTS = 12;
const TICK_MS = 50;
const RETRY_MS = [500, 3_000, 20_000];

interface Row {
  readonly messageKey: number;
  readonly endpointKey: number;
  readonly expiresAt: number | null;
  /** Null: a delivery. */
  readonly resendKey: number | null;
  state: 'pending' | 'sending' | 'held' | 'ended';
  fence: number;
  dueAt: number;
}

/** A schedule over a model of the store, in which anything may happen at any time. */
class Chaos {
  readonly world = scheduling(LITTLE_ROOM);
  readonly rows: Row[] = [];
  readonly broken = new Set<number>();
  readonly held = new Set<number>();
  readonly #random;
  claims = 0;
  unleases = 0;
  calm = false;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const { store } = this.world;
    store.deliveryClaimDue = async ({ lanes }) => {
      await this.#badDay();
      this.claims++;
      return (lanes as { endpointKey: number; deliveries: number }[]).map((lane) => this.#claim(lane));
    };
    store.deliveryUnlease = async ({ leases }) => {
      await this.#badDay();
      this.unleases += leases.length;
      for (const lease of leases) this.#rowOf(lease, (row) => this.#setPending(row));
      return leases.length;
    };
  }

  chance(part: number): boolean {
    return this.#random.fraction() < part;
  }

  pick(most: number): number {
    return Math.floor(this.#random.fraction() * most);
  }

  publish(endpointKey: number, messageKey: number): void {
    const { clock, schedule, lease } = this.world;
    const expiresAt = this.chance(0.1) ? clock.now() + this.pick(20_000) : null;
    const row: Row = {
      messageKey,
      endpointKey,
      expiresAt,
      resendKey: null,
      state: 'held',
      fence: 0,
      dueAt: clock.now(),
    };
    this.rows.push(row);
    if (this.held.has(endpointKey)) return;
    row.state = 'pending';
    if (!schedule.admit(1, endpointKey, 2)) {
      schedule.stored(endpointKey, row.dueAt);
      return;
    }
    const leased = lease(endpointKey, messageKey, null, { expiresAt });
    row.state = 'sending';
    row.fence = leased.fence;
    clock.timer(this.pick(30), () => schedule.push([leased]));
  }

  resend(of: Row): void {
    if (this.held.has(of.endpointKey) || of.resendKey !== null) return;
    this.rows.push({
      ...of,
      expiresAt: null,
      resendKey: this.rows.length + 1,
      state: 'pending',
      fence: 0,
      dueAt: 0,
    });
    this.world.schedule.stored(of.endpointKey, 0);
  }

  cancel(of: Row): void {
    if (of.state === 'ended' || of.resendKey !== null) return;
    const wasLeased = of.state === 'sending';
    of.state = 'ended';
    if (wasLeased) this.world.schedule.drop([of]);
  }

  /** Pauses the endpoint, or ends the pause and releases what was held. */
  toggle(endpointKey: number): void {
    const { schedule, destinations, clock } = this.world;
    if (this.held.delete(endpointKey)) {
      destinations.set(endpointKey, {});
      schedule.endpointChanged(endpointKey);
      for (const row of this.#of(endpointKey, 'held')) row.state = 'pending';
      schedule.stored(endpointKey, clock.now());
    } else {
      this.held.add(endpointKey);
      destinations.set(endpointKey, { heldReason: 'endpoint_paused' });
      schedule.endpointChanged(endpointKey);
    }
  }

  /** Lets time pass; what was sent is answered some of the times. */
  async tick(): Promise<void> {
    const { clock, schedule, sent, ended, expired, orphaned } = this.world;
    for (const endpointKey of orphaned.splice(0)) {
      if (!this.held.has(endpointKey)) continue;
      for (const row of this.#of(endpointKey, 'pending')) row.state = 'held';
    }
    for (const lease of expired.splice(0)) this.#rowOf(lease, (row) => (row.state = 'ended'));
    const answered = sent.splice(0).filter((each) => {
      if (this.calm || this.chance(0.5)) return true;
      sent.push(each);
      return false;
    });
    for (const { job, endpointKey } of answered) {
      const status = this.broken.has(endpointKey) ? (this.chance(0.5) ? 500 : null) : 200;
      const headers = { requestHeaders: '', responseHeaders: '', retryAfter: null };
      const exchange = { startedAt: 0, durationMs: 5, status, body: '', error: null, ...headers };
      schedule.results([{ ref: job.ref, exchange }]);
      for (const delivery of ended.splice(0)) this.#record(delivery, status === 200);
    }
    await clock.advance(TICK_MS);
  }

  /** As the recorder does; an endless schedule. */
  #record(delivery: LeasedDelivery, arrived: boolean): void {
    const { clock, schedule } = this.world;
    const isResend = delivery.resendKey !== null;
    const dueAt = clock.now() + (RETRY_MS[this.pick(RETRY_MS.length)] as number);
    const kept = !arrived && !isResend && schedule.keeps(delivery, dueAt);
    clock.timer(this.pick(30), () => {
      let ours = false;
      this.#rowOf(delivery, (row) => {
        ours = true;
        row.state = arrived || isResend ? 'ended' : kept ? 'sending' : 'pending';
        row.dueAt = dueAt;
        if (arrived && isResend)
          for (const other of this.rows) {
            const same = other.messageKey === row.messageKey && other.endpointKey === row.endpointKey;
            if (same && other.resendKey === null) other.state = 'ended';
          }
      });
      const nextAttemptAt = ours && !arrived && !isResend ? dueAt : null;
      schedule.settled([{ delivery, nextAttemptAt, kept: ours && kept, arrived: ours && arrived }]);
    });
  }

  async #badDay(): Promise<void> {
    const { clock } = this.world;
    await new Promise<void>((resolve) => void clock.timer(this.pick(30), resolve));
    if (!this.calm && this.chance(0.1)) throw new StoreError('unavailable', 'Not now.');
  }

  #claim({ endpointKey, deliveries }: { endpointKey: number; deliveries: number }) {
    const { clock, lease } = this.world;
    const pending = this.#of(endpointKey, 'pending').sort((a, b) => a.dueAt - b.dueAt);
    const claimed: LeasedDelivery[] = [];
    for (const row of pending) {
      if (row.dueAt > clock.now() || claimed.length === deliveries) break;
      const { messageKey, resendKey, expiresAt, dueAt } = row;
      const leased = lease(endpointKey, messageKey, resendKey, { expiresAt, nextAttemptAt: dueAt });
      row.state = 'sending';
      row.fence = leased.fence;
      claimed.push(leased);
    }
    const left = this.#of(endpointKey, 'pending').map(({ dueAt }) => dueAt);
    return { claimed, nextDueAt: left.length === 0 ? null : Math.min(...left) };
  }

  #of(endpointKey: number, state: Row['state']): Row[] {
    return this.rows.filter((row) => row.endpointKey === endpointKey && row.state === state);
  }

  #rowOf(lease: Lease, then: (row: Row) => void): void {
    const row = this.rows.find(
      (each) =>
        each.fence === lease.fence &&
        each.endpointKey === lease.endpointKey &&
        each.messageKey === lease.messageKey,
    );
    if (row?.state === 'sending' && row.resendKey === lease.resendKey) then(row);
  }

  #setPending(row: Row): void {
    row.state = 'pending';
    row.fence = 0;
  }
}

it.each(Array.from({ length: 8 }, (_, seed) => seed))(
  'sends everything in the end, and turns no circles (seed %i)',
  async (seed) => {
    const chaos = new Chaos(seed);
    const { world, rows, broken } = chaos;
    let opened = 0;
    for (let tick = 0; tick < 2_000; tick++) {
      const endpointKey = 1 + chaos.pick(ENDPOINTS);
      if (chaos.chance(0.4)) chaos.publish(endpointKey, tick);
      const burst = chaos.chance(0.01) ? 40 : 0;
      for (let n = 1; n <= burst; n++) chaos.publish(endpointKey, tick * 100 + n);
      if (chaos.chance(0.01)) broken.add(endpointKey);
      if (chaos.chance(0.005)) broken.delete(endpointKey);
      const row = rows[chaos.pick(rows.length)];
      if (row && chaos.chance(0.03)) chaos.resend(row);
      if (row && chaos.chance(0.03)) chaos.cancel(row);
      if (chaos.chance(0.01)) chaos.toggle(endpointKey);
      if (chaos.chance(0.01)) world.schedule.endpointChanged(endpointKey);
      if (chaos.chance(0.005)) world.schedule.hurry(endpointKey);
      await chaos.tick();
      if (world.schedule.state(endpointKey)?.breaker.open) opened++;
    }
    expect(opened).toBeGreaterThan(200);
    // In 100 s, with time for 6,600 claims one after the other.
    expect(chaos.claims).toBeLessThan(600);
    expect(chaos.unleases).toBeLessThan(rows.length);

    chaos.calm = true;
    broken.clear();
    for (const endpointKey of [...chaos.held]) chaos.toggle(endpointKey);
    // The longest wait of a breaker.
    for (let tick = 0; tick < 360_000 / TICK_MS && rows.some(({ state }) => state !== 'ended'); tick++)
      await chaos.tick();
    expect(rows.filter(({ state }) => state !== 'ended')).toEqual([]);
    for (let tick = 0; tick < 10; tick++) await chaos.tick();
    expect(world.schedule.inFlight).toBe(0);
    expect(world.schedule.resident).toBe(0);
  },
  60_000,
);
