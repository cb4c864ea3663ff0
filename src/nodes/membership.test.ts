import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import { NODE_LEASE_MS, POSTGRES_QUERY_MS, POSTGRES_STATEMENT_MS } from '../limits.ts';
import { firstFence } from '../model/lease.ts';
import { type EndedNode, type NodeView, type Store, StoreError } from '../store/store.ts';
import { Membership } from './membership.ts';

const LEASE_MS = 15_000;
const BEAT_MS = LEASE_MS / 8;
const HOLDS_MS = 10_000;
const EXPIRES_MS = 12_500;

interface Row {
  readonly epoch: number;
  expiresAt: number;
  leaseMs: number;
  /** Null: it is live. */
  ended: 'left' | 'silent' | null;
}

/** Nodes of a store as PostgreSQL has them, by the clock of the test. */
class Nodes {
  readonly rows: Row[] = [];
  readonly clock: ManualClock;
  /** What deliveries are leased, by fence. */
  leased: number[] = [];
  away = false;
  /** How long an answer takes. */
  answersAfterMs = 0;
  readonly calls: string[] = [];

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  /** The store as one node sees it. */
  store(shared = true) {
    const answer = async <T>(what: string, work: () => T): Promise<T> => {
      this.calls.push(what);
      if (this.away) throw new StoreError('unavailable', 'The database is away.');
      const result = work();
      if (this.answersAfterMs > 0)
        await new Promise<void>((resolve) => void this.clock.timer(this.answersAfterMs, resolve));
      return result;
    };
    const find = (epoch: number) => this.rows.find((row) => row.epoch === epoch);
    const store: Pick<
      Store,
      'shared' | 'nodeJoin' | 'nodeBeat' | 'nodeLeave' | 'nodeForget' | 'deliveryRelease'
    > = {
      shared,
      nodeJoin: ({ leaseMs }) =>
        answer('join', () => {
          const epoch = (this.rows.at(-1)?.epoch ?? 0) + 1;
          this.rows.push({ epoch, expiresAt: this.clock.monotonic() + leaseMs, leaseMs, ended: null });
          return { epoch };
        }),
      nodeBeat: ({ epoch, leaseMs }) =>
        answer(`beat ${epoch}`, () => {
          const own = find(epoch);
          if (own === undefined || own.ended !== null) return 'lost';
          own.expiresAt = this.clock.monotonic() + leaseMs;
          for (const row of this.rows)
            if (row.ended === null && row.expiresAt < this.clock.monotonic()) row.ended = 'silent';
          return this.#view();
        }),
      nodeLeave: ({ epoch }) =>
        answer(`leave ${epoch}`, () => {
          const own = find(epoch);
          if (own) own.ended = 'left';
        }),
      nodeForget: ({ epoch }) =>
        answer(`forget ${epoch}`, () => {
          this.rows.splice(
            this.rows.findIndex((row) => row.epoch === epoch),
            1,
          );
        }),
      deliveryRelease: ({ from, before, limit }) =>
        answer('release', () => {
          const found = this.leased.filter((fence) => fence >= from && fence < before).slice(0, limit);
          this.leased = this.leased.filter((fence) => !found.includes(fence));
          const stored = found.map((fence) => ({ endpointKey: fence % firstFence(1), dueAt: 0 }));
          return { released: found.length, more: found.length === limit, stored };
        }),
    };
    return store;
  }

  #view(): NodeView {
    const ended: EndedNode[] = this.rows
      .filter((row) => row.ended !== null)
      .map(({ epoch, expiresAt, leaseMs, ended }) => ({
        ...{ epoch, from: firstFence(epoch), before: firstFence(epoch + 1), name: `node ${epoch}` },
        silentMs: ended === 'left' ? null : this.clock.monotonic() - (expiresAt - leaseMs),
      }));
    const live = this.rows.filter((row) => row.ended === null);
    const leases = live.map(({ epoch, leaseMs }) => ({ epoch, name: `node ${epoch}`, leaseMs }));
    return { live: live.map(({ epoch }) => epoch), leases, ended, now: null };
  }
}

/** A process that can be stopped as by SIGSTOP: its timers and answers wait until it goes on. */
function nodeOf(nodes: Nodes, { shared = true, leaseMs = LEASE_MS } = {}) {
  const told: string[] = [];
  const logged: [fields: object, text: string][] = [];
  const say = (fields: object, text: string) => {
    logged.push([fields, text]);
    told.push(text);
  };
  const held: (() => void)[] = [];
  const sees = { stopped: false, wallJumpMs: 0, earlyMs: 0 };
  const run = (work: () => void) => (sees.stopped ? held.push(work) : work());
  const { clock } = nodes;
  let until = { monotonic: 0, wall: 0 };
  let begun = 0;
  const membership = new Membership({
    store: nodes.store(shared),
    clock: {
      now: () => clock.now() + sees.wallJumpMs,
      monotonic: () => clock.monotonic(),
      timer: (delayMs, fire) => clock.timer(delayMs - sees.earlyMs, () => run(fire)),
      soon: (fire) => clock.soon(() => run(fire)),
    },
    fences: {
      begin: (epoch) => {
        expect(epoch).toBeGreaterThan(begun);
        begun = epoch;
      },
    },
    name: 'a:1',
    leaseMs,
    renewed: (end) => {
      until = end;
    },
    changed: () => told.push(`live ${membership.live.join(' ')}`),
    leaseChanged: () => told.push(membership.holds() ? 'holds' : 'lapsed'),
    forfeited: ({ from, before }) => {
      expect([membership.holds(), until.monotonic]).toEqual([false, 0]);
      told.push(`forfeited ${from / firstFence(1)} to ${before / firstFence(1)}`);
    },
    released: (stored) => told.push(`released ${stored.map(({ endpointKey }) => endpointKey).join(' ')}`),
    ended: () => told.push('ended'),
    log: { info: say, warn: say },
  });
  return {
    membership,
    told,
    /** What of it was logged, with its fields. */
    logged,
    sees,
    /** Until when the sender begins requests, ms from now on. */
    sendsFor: () => until.monotonic - clock.monotonic(),
    goOn() {
      sees.stopped = false;
      for (const work of held.splice(0)) work();
    },
  };
}

const NO_LEASE = 'no lease: nothing is sent until the database answers';
const LEASE_AGAIN = 'the lease holds again: sending goes on';
const TAKEN_FOR_DEAD = 'other nodes took this one for dead: it begins anew';
const TAKEN_OVER =
  'a node was not heard of any more: others took over, and the deliveries that it had under way go out again';
const GO_OUT_AGAIN = 'deliveries that an ended process had under way go out again';

describe('a node alone on a store that is not shared', () => {
  it('holds and leads from its start on, and never beats', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    nodes.rows.push({ epoch: 1, expiresAt: 0, leaseMs: 0, ended: 'left' });
    nodes.leased = Array.from({ length: 2_500 }, (_, n) => firstFence(1) + n);
    const { membership, told } = nodeOf(nodes, { shared: false });
    await membership.join();
    expect(nodes.calls).toEqual(['join', 'beat 2', 'release', 'release', 'release', 'forget 1']);
    expect(nodes.leased).toEqual([]);
    await clock.advance(10 * LEASE_MS);
    await membership.leave();
    expect([membership.holds(), membership.leads, membership.count]).toEqual([true, true, 1]);
    expect(nodes.calls).toHaveLength(6);
    expect(told).toEqual([GO_OUT_AGAIN, 'ended']);
    expect(clock.nextTimerAt).toBeNull();
  });

  it('does not start where its store does not let it', async () => {
    const nodes = new Nodes(new ManualClock());
    nodes.away = true;
    await expect(nodeOf(nodes, { shared: false }).membership.join()).rejects.toThrow('away');
  });
});

describe('a node among others', () => {
  it('beats, holds by that, and knows who is live, who leads, and who owns what', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const [one, other] = [nodeOf(nodes), nodeOf(nodes)];
    await one.membership.join();
    expect([one.membership.holds(), one.membership.leads, one.membership.count]).toEqual([true, true, 1]);
    await other.membership.join();
    await clock.advance(BEAT_MS);
    expect(one.told).toEqual(['live 1 2']);
    expect(other.told).toEqual([]);
    expect([one.membership.leads, other.membership.leads]).toEqual([true, false]);
    const keys = Array.from({ length: 200 }, (_, key) => key);
    const owned = keys.filter((key) => one.membership.owns('endpoint', key));
    expect(owned.length).toBeGreaterThan(60);
    expect(keys.filter((key) => other.membership.owns('endpoint', key))).toEqual(
      keys.filter((key) => !owned.includes(key)),
    );
    for (let n = 0; n < 100; n++) {
      await clock.advance(BEAT_MS);
      expect([one.membership.holds(), one.sendsFor() > HOLDS_MS - 2 * BEAT_MS]).toEqual([true, true]);
    }
    expect(one.told).toHaveLength(1);
  });

  it('is gone for the others at once when it leaves', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const [one, other] = [nodeOf(nodes), nodeOf(nodes)];
    await one.membership.join();
    await other.membership.join();
    await clock.advance(BEAT_MS);
    nodes.leased = [firstFence(1) + 7, firstFence(2) + 8];
    await one.membership.leave();
    expect([one.membership.holds(), one.sendsFor() < 0]).toEqual([false, true]);
    // As the signal has it.
    other.membership.look();
    await clock.settle();
    expect(other.membership.leads).toBe(true);
    expect(nodes.leased).toEqual([firstFence(2) + 8]);
    expect(other.told).toEqual(['live 2', 'released 7', GO_OUT_AGAIN, 'ended']);
    const { length } = nodes.calls;
    await clock.advance(BEAT_MS);
    expect(nodes.calls.slice(length).every((call) => call === 'beat 2')).toBe(true);
    // What the other had under way in the store as it ended comes later.
    nodes.leased.push(firstFence(1) + 9);
    await clock.advance(LEASE_MS + BEAT_MS);
    expect(nodes.leased).toEqual([firstFence(2) + 8]);
    expect(nodes.rows.map(({ epoch }) => epoch)).toEqual([2]);
    expect(other.told.slice(4)).toEqual(['released 9', GO_OUT_AGAIN]);
  });

  it('is not forgotten before what it asked of the store has come about, however short its lease', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const short = { leaseMs: NODE_LEASE_MS.least };
    const [one, other] = [nodeOf(nodes, short), nodeOf(nodes, short)];
    await one.membership.join();
    await other.membership.join();
    await one.membership.leave();
    await clock.advance(POSTGRES_STATEMENT_MS);
    // A statement that waited for a lock as long as it may.
    nodes.leased.push(firstFence(1) + 9);
    await clock.advance(POSTGRES_QUERY_MS);
    expect(nodes.leased).toEqual([]);
    expect(nodes.rows.map(({ epoch }) => epoch)).toEqual([2]);
  });

  it('does not wait long for a store that is away when it leaves', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership } = nodeOf(nodes);
    await membership.join();
    nodes.answersAfterMs = 60_000;
    let left = false;
    void membership.leave().then(() => {
      left = true;
    });
    await clock.advance(2_000);
    expect(left).toBe(true);
  });

  it('sends nothing without the database, and goes on when it answers in time', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership, told } = nodeOf(nodes);
    await membership.join();
    nodes.away = true;
    await clock.advance(HOLDS_MS - 1);
    expect([membership.holds(), told]).toEqual([true, []]);
    await clock.advance(1_000);
    expect([membership.holds(), told]).toEqual([false, [NO_LEASE, 'lapsed']]);
    nodes.away = false;
    await clock.advance(BEAT_MS);
    expect([membership.holds(), told.slice(2)]).toEqual([true, [LEASE_AGAIN, 'holds']]);
    // A database that is away is not asked more often than one that is there.
    expect(nodes.calls.length).toBeLessThan(10);
  });

  it('notices that its lease is over although timers fire a little early, as those of Node.js do', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership, told, sees } = nodeOf(nodes);
    sees.earlyMs = 1.6;
    await membership.join();
    nodes.away = true;
    await clock.advance(HOLDS_MS + 2);
    expect([membership.holds(), told]).toEqual([false, [NO_LEASE, 'lapsed']]);
  });

  it('counts from before the beat: an answer that takes too long is no lease', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership, told, sendsFor } = nodeOf(nodes);
    await membership.join();
    nodes.answersAfterMs = HOLDS_MS + 500;
    await clock.advance(BEAT_MS);
    nodes.answersAfterMs = 4_000;
    await clock.advance(HOLDS_MS + 500);
    expect([membership.holds(), told]).toEqual([false, [NO_LEASE, 'lapsed']]);
    // The next beat goes out at once.
    await clock.advance(4_000);
    expect([membership.holds(), told.slice(2)]).toEqual([true, [LEASE_AGAIN, 'holds']]);
    expect(sendsFor()).toBe(HOLDS_MS - 4_000);
    await clock.advance(60_000);
    expect([membership.holds(), told.length]).toEqual([true, 4]);
  });

  it('notices by itself that it was stopped, before it sends anything', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const [one, other] = [nodeOf(nodes), nodeOf(nodes)];
    await one.membership.join();
    await other.membership.join();
    await clock.advance(BEAT_MS);
    nodes.leased = [firstFence(1) + 7];
    one.sees.stopped = true;
    const stoppedAt = clock.monotonic();
    while (nodes.leased.length > 0) await clock.advance(100);
    // Others go on within the time of a lease.
    expect(clock.monotonic() - stoppedAt).toBeGreaterThan(EXPIRES_MS - BEAT_MS);
    expect(clock.monotonic() - stoppedAt).toBeLessThanOrEqual(LEASE_MS);
    expect(other.told).toEqual(['live 2', 'released 7', TAKEN_OVER, 'ended']);
    expect(other.logged).toEqual([
      [{ epoch: 1, name: 'node 1', released: 1, silentMs: 7 * BEAT_MS, ms: 0 }, TAKEN_OVER],
    ]);
    expect([one.membership.holds(), one.sendsFor() < 0]).toEqual([false, true]);
    one.told.length = 0;
    one.goOn();
    await clock.advance(BEAT_MS);
    expect(one.told).toEqual([
      NO_LEASE,
      'lapsed',
      TAKEN_FOR_DEAD,
      'forfeited 1 to 2',
      LEASE_AGAIN,
      'live 2 3',
      'holds',
    ]);
    expect([one.membership.epoch, one.membership.leads, one.membership.holds()]).toEqual([3, false, true]);
    expect(other.told.at(-1)).toBe('live 2 3');
  });

  it('is told as taken over also when it had nothing under way, and once', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const [one, other] = [nodeOf(nodes), nodeOf(nodes)];
    await one.membership.join();
    await other.membership.join();
    one.sees.stopped = true;
    await clock.advance(4 * LEASE_MS);
    expect(other.logged).toEqual([[expect.objectContaining({ epoch: 1, released: 0 }), TAKEN_OVER]]);
    expect(nodes.rows.map(({ epoch }) => epoch)).toEqual([2]);
  });

  it('is told when others have another lease, once, and when all have the same again', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const [one, same] = [nodeOf(nodes), nodeOf(nodes)];
    const other = nodeOf(nodes, { leaseMs: 2 * LEASE_MS });
    for (const { membership } of [one, same, other]) await membership.join();
    await clock.advance(6 * BEAT_MS);
    const unequal = expect.stringMatching(/^other nodes have another POSTHORN_NODE_LEASE than this one/);
    const others = [{ name: 'node 3', leaseMs: 2 * LEASE_MS }];
    for (const { logged } of [one, same]) expect(logged).toEqual([[{ leaseMs: LEASE_MS, others }, unequal]]);
    expect(other.logged).toEqual([
      [
        { leaseMs: 2 * LEASE_MS, others: [1, 2].map((n) => ({ name: `node ${n}`, leaseMs: LEASE_MS })) },
        unequal,
      ],
    ]);
    await other.membership.leave();
    await clock.advance(2 * BEAT_MS);
    expect(one.logged.slice(1)).toEqual([
      [{ leaseMs: LEASE_MS }, 'all nodes have the same POSTHORN_NODE_LEASE again'],
    ]);
  });

  it('begins anew however often the store is away while it does', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership, told } = nodeOf(nodes);
    await membership.join();
    const own = nodes.rows[0] as Row;
    own.ended = 'silent';
    await clock.advance(BEAT_MS);
    expect([membership.epoch, membership.holds(), membership.leads]).toEqual([2, true, true]);
    expect(told.slice(0, 2)).toEqual([TAKEN_FOR_DEAD, 'forfeited 1 to 2']);
    (nodes.rows[1] as Row).ended = 'silent';
    // The call that finds it out still works.
    const store = nodes.store();
    const { nodeBeat } = store;
    nodes.away = true;
    await clock.advance(3 * BEAT_MS);
    expect(membership.epoch).toBe(2);
    expect(await nodeBeat({ epoch: 2, leaseMs: 1 }).catch(() => 'away')).toBe('away');
    nodes.away = false;
    await clock.advance(2 * BEAT_MS);
    expect([membership.epoch, membership.holds()]).toEqual([3, true]);
    expect(told).toContain('forfeited 2 to 3');
  });

  it('does not trust its lease after the machine slept, which only the wall clock tells', async () => {
    const clock = new ManualClock();
    const nodes = new Nodes(clock);
    const { membership, told, sees } = nodeOf(nodes);
    await membership.join();
    sees.wallJumpMs = LEASE_MS;
    expect(membership.holds()).toBe(false);
    await clock.advance(BEAT_MS);
    expect([membership.holds(), told]).toEqual([true, ['holds']]);
    sees.wallJumpMs = -LEASE_MS;
    expect(membership.holds()).toBe(true);
  });
});
