import { describe, expect, it } from 'vitest';
import { type Node, RETRY_MS, type Request, ScheduledNodes } from '../../test/helpers/scheduled-nodes.ts';
import { BREAKER_FAILURES, BREAKER_PROBE_MS } from '../limits.ts';

const SETTLE_MS = 100;

/** Messages that are not sent yet. */
function open({ rows }: ScheduledNodes): number[] {
  return rows.filter(({ state }) => state !== 'ended').map(({ messageKey }) => messageKey);
}

/** The first endpoint from `from` on that the node owns. */
function owned(by: Node, from = 1): number {
  for (let key = from; ; key++) if (by.owns('endpoint', key)) return key;
}

async function pair() {
  const world = await ScheduledNodes.of(2);
  const [one, other] = world.nodes as [Node, Node];
  return { world, one, other };
}

/** Answers everything with the status, a tick later each time, until nothing is under way. */
async function run(world: ScheduledNodes, ms: number, status: number | null = 200): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await world.clock.advance(10);
    world.answer(status);
  }
}

/** The most that began within any span of that length, at any node. */
function mostWithin(requests: readonly Request[], ms: number): number {
  return Math.max(
    ...requests.map(({ at }) => requests.filter((each) => each.at >= at && each.at < at + ms).length),
  );
}

/** The names of those that sent them. */
function nodesOf(requests: readonly Request[]): number[] {
  return [...new Set(requests.map(({ node }) => node.name))].sort((a, b) => a - b);
}

describe('an endpoint of which nothing must hold over all nodes', () => {
  it('is sent by the node that took the publish, with its part of the places', async () => {
    const { world, one, other } = await pair();
    // It shows that it takes what it is given.
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 40; n++) world.publish(n % 2 === 0 ? one : other, 1);
      await run(world, 100);
    }
    expect(open(world)).toEqual([]);
    for (const { messageKey, node } of world.sent(1))
      expect(node.name).toBe(messageKey % 2 === 1 ? one.name : other.name);
    for (let n = 0; n < 200; n++) world.publish(n % 2 === 0 ? one : other, 1);
    await world.clock.advance(SETTLE_MS);
    const underWay = Map.groupBy(world.underWay(), ({ node }) => node);
    expect([...underWay.values()].map(({ length }) => length)).toEqual([16, 16]);
  });

  it('has all its places on the node that is left', async () => {
    const { world, one, other } = await pair();
    for (let n = 0; n < 400; n++) world.publish(one, 1);
    await run(world, 1_000);
    for (let n = 0; n < 100; n++) world.publish(one, 1);
    await world.clock.advance(SETTLE_MS);
    expect(world.underWay()).toHaveLength(16);
    world.leave(other);
    await world.clock.advance(SETTLE_MS);
    expect(world.underWay()).toHaveLength(32);
  });

  it('has what a stranger stored taken up by its owner, once', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    world.publish(one, key);
    await run(world, 100);
    expect(nodesOf(world.sent(key))).toEqual([one.name]);
    world.requests.length = 0;
    const [claimsOfOne, claimsOfOther] = [one.claims, other.claims];
    world.publish(null, key);
    await run(world, 100);
    expect(nodesOf(world.sent(key))).toEqual([other.name]);
    expect([one.claims - claimsOfOne, other.claims - claimsOfOther]).toEqual([0, 1]);
  });

  it.each([['known'], ['looked up first']])(
    'has only its owner ask for what a stranger stored (endpoints are %s)',
    async (how) => {
      const { world, one, other } = await pair();
      if (how === 'looked up first') world.lookUpMs = 30;
      for (let key = 1; key <= 200; key++) world.publish(null, key);
      await run(world, 2_000);
      expect(world.requests).toHaveLength(200);
      for (const { node, endpointKey } of world.requests)
        expect(node.owns('endpoint', endpointKey)).toBe(true);
      expect(one.claims + other.claims).toBe(200);
    },
  );

  it('is looked after by a look when signals are lost', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    world.deaf = true;
    world.publish(null, key);
    await run(world, 1_000);
    expect(world.requests).toEqual([]);
    void one.schedule.look();
    await run(world, 100);
    expect(world.requests).toEqual([]);
    void other.schedule.look();
    await run(world, 100);
    expect(nodesOf(world.sent(key))).toEqual([other.name]);
  });

  it("is not looked up again with each look where it is another's", async () => {
    const { world, one } = await pair();
    world.lookUpMs = 1;
    world.remembers = false;
    world.deaf = true;
    // More than lanes are kept for.
    const strangers = Array.from({ length: 24_000 }, (_, n) => n + 1);
    for (const key of strangers) world.publish(null, key);
    for (let looks = 1; looks <= 2; looks++) {
      void one.schedule.look();
      await world.clock.advance(1_000);
      expect(one.lookUps).toBe(strangers.length);
    }
  }, 60_000);

  it('is drained by every node that has a lane for it, once they look', async () => {
    const { world, one, other } = await pair();
    const key = owned(one);
    for (const node of [one, other]) for (let n = 0; n < 200; n++) world.publish(node, key);
    await run(world, 1_000);
    world.requests.length = 0;
    for (let n = 0; n < 1_000; n++) world.publish(null, key);
    for (const { schedule } of world.nodes) void schedule.look();
    await run(world, 2_000);
    expect(nodesOf(world.requests)).toEqual([one.name, other.name]);
    expect(world.requests).toHaveLength(1_000);
  });
});

describe('an endpoint that only one node may send for', () => {
  it.each([
    ['is ordered', { ordering: 'endpoint' }],
    ['has a throttle', { throttleRate: 1_000 }],
    ['has few places', { maxInFlight: 3 }],
  ] as const)("is its owner's when it %s, whoever takes the publish", async (_, limits) => {
    const { world, one, other } = await pair();
    for (const node of [one, other]) {
      const key = owned(node, 10);
      world.destinations.set(key, limits);
      for (let n = 0; n < 20; n++) world.publish(n % 2 === 0 ? one : other, key);
      await run(world, 1_000);
      expect(world.sent(key)).toHaveLength(20);
      expect(nodesOf(world.sent(key))).toEqual([node.name]);
      const strangers = world.nodes.filter((each) => each !== node);
      for (const stranger of strangers) {
        expect(stranger.schedule.state(key)).toMatchObject({ elsewhere: true, resident: 0 });
        expect(stranger.schedule.hurry(key)).toBe(false);
        expect(stranger.orphaned).toEqual([]);
      }
      expect(node.schedule.state(key)?.elsewhere).toBe(false);
      expect(node.schedule.hurry(key)).toBe(true);
    }
  });

  it('keeps its order', async () => {
    const { world, one, other } = await pair();
    world.destinations.set(1, { ordering: 'endpoint' });
    const published = Array.from({ length: 50 }, (_, n) => world.publish(n % 3 === 0 ? one : other, 1));
    for (let n = 0; n < 200; n++) {
      await world.clock.advance(10);
      expect(world.underWay().length).toBeLessThanOrEqual(1);
      world.answer(200);
    }
    expect(world.sent(1).map(({ messageKey }) => messageKey)).toEqual(published);
  });

  it('keeps its rate over all nodes', async () => {
    const { world, one, other } = await pair();
    world.destinations.set(1, { throttleRate: 20 });
    for (let n = 0; n < 300; n++) world.publish(n % 2 === 0 ? one : other, 1);
    await run(world, 10_000);
    expect(world.sent(1).length).toBeGreaterThanOrEqual(195);
    expect(mostWithin(world.sent(1), 1_000)).toBeLessThanOrEqual(22);
  });

  it('keeps the rate of its application, whose endpoints all have one owner', async () => {
    const { world, one, other } = await pair();
    const keys = [1, 2, 3, 4, 5, 6];
    for (const key of keys) world.destinations.set(key, { applicationThrottleRate: 20 });
    for (let n = 0; n < 300; n++) world.publish(n % 2 === 0 ? one : other, keys[n % 6] as number);
    await run(world, 10_000);
    expect(world.requests.length).toBeGreaterThanOrEqual(195);
    expect(mostWithin(world.requests, 1_000)).toBeLessThanOrEqual(22);
    expect(nodesOf(world.requests)).toEqual(
      world.nodes.filter((node) => node.owns('application', 1)).map(({ name }) => name),
    );
  });

  it('has no more under way than its places, over all nodes', async () => {
    const { world, one, other } = await pair();
    for (const maxInFlight of [1, 3, 4, 5, 33]) {
      const key = 100 + maxInFlight;
      world.destinations.set(key, { maxInFlight });
      let most = 0;
      for (let n = 0; n < 400; n++) world.publish(n % 2 === 0 ? one : other, key);
      for (let n = 0; n < 1_000 && world.rows.some(({ state }) => state !== 'ended'); n++) {
        await world.clock.advance(10);
        most = Math.max(most, world.underWay(key).length);
        world.answer(200);
      }
      expect(world.sent(key)).toHaveLength(400);
      expect(most).toBe(maxInFlight < 4 ? maxInFlight : 2 * Math.floor(maxInFlight / 2));
    }
  });

  it('goes to its owner with all that is in memory elsewhere when it gets a limit', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    for (let n = 0; n < 40; n++) world.publish(one, key);
    await world.clock.advance(SETTLE_MS);
    const begun = world.underWay().length;
    expect(nodesOf(world.underWay())).toEqual([one.name]);
    world.change(key, { throttleRate: 1_000 });
    await world.clock.advance(SETTLE_MS);
    // What is under way ends where it is.
    expect(one.schedule.state(key)).toMatchObject({ elsewhere: true, inFlight: begun, resident: begun });
    world.answer(
      500,
      world.underWay().filter(({ node }) => node === one),
    );
    await run(world, RETRY_MS + 2_000);
    expect(open(world)).toEqual([]);
    const later = world.sent(key).slice(begun);
    expect(nodesOf(later)).toEqual([other.name]);
    // Those that failed at the first node came to the owner in their time.
    expect(later).toHaveLength(40);
    expect(one.orphaned).toEqual([]);
  });

  it("is everybody's again when it has none any more", async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    world.destinations.set(key, { throttleRate: 1 });
    for (let n = 0; n < 50; n++) world.publish(one, key);
    await run(world, 1_000);
    expect(nodesOf(world.sent(key))).toEqual([other.name]);
    world.change(key, {});
    await run(world, 1_000);
    expect(world.sent(key)).toHaveLength(50);
    world.publish(one, key);
    await world.clock.advance(SETTLE_MS);
    expect(world.underWay(key).map(({ node }) => node.name)).toEqual([one.name]);
  });
});

describe('nodes that come and go', () => {
  it('leave what they had to the others', async () => {
    const { world, one, other } = await pair();
    for (let key = 1; key <= 20; key++) {
      world.destinations.set(key, key % 2 === 0 ? { throttleRate: 50 } : {});
      for (let n = 0; n < 10; n++) world.publish(n % 2 === 0 ? one : other, key);
    }
    await world.clock.advance(SETTLE_MS);
    world.leave(other);
    await run(world, 2_000);
    expect(open(world)).toEqual([]);
    const states = Array.from({ length: 20 }, (_, key) => one.schedule.state(key + 1));
    expect(states.some((state) => state?.elsewhere)).toBe(false);
  });

  it('take over what falls to them when they join, and nothing else moves', async () => {
    const { world, one, other } = await pair();
    const keys = Array.from({ length: 60 }, (_, n) => n + 1);
    for (const key of keys) {
      world.destinations.set(key, { throttleRate: 10 });
      for (let n = 0; n < 30; n++) world.publish(n % 2 === 0 ? one : other, key);
    }
    await run(world, 500);
    const before = new Map(keys.map((key) => [key, world.sent(key)[0]?.node.name]));
    const third = await world.join();
    const began = world.requests.length;
    await run(world, 4_000);
    expect(open(world)).toEqual([]);
    const moved = keys.filter((key) => third.owns('endpoint', key));
    expect(moved.length).toBeGreaterThan(5);
    for (const { endpointKey, node, at } of world.requests.slice(began)) {
      if (at < 600) continue;
      expect(node.name).toBe(moved.includes(endpointKey) ? third.name : before.get(endpointKey));
    }
    for (const key of keys) expect(mostWithin(world.sent(key), 1_000)).toBeLessThanOrEqual(10 + 2 + 2);
  });

  it('take up what was for one that had died, unnoticed, before they joined', async () => {
    const { world, one: dead, other } = await pair();
    for (const { schedule } of [dead, other]) schedule.abandon();
    world.nodes = [dead];
    // Nothing tells the one that joins that the live nodes changed, until the dead one's time is over.
    const joined = await world.join();
    const key = owned(dead);
    world.change(key, { ordering: 'endpoint' });
    world.publish(null, key);
    world.publish(joined, key);
    await world.clock.advance(SETTLE_MS);
    expect(world.sent(key)).toEqual([]);
    world.leave(dead);
    await run(world, SETTLE_MS);
    expect(open(world)).toEqual([]);
  });

  it('makes of one that was alone one of two, and of what it had in memory what it may keep', async () => {
    const world = await ScheduledNodes.of(1);
    const [one] = world.nodes as [Node];
    for (let key = 1; key <= 20; key++) {
      world.destinations.set(key, { throttleRate: 10 });
      for (let n = 0; n < 20; n++) world.publish(one, key);
    }
    await run(world, 200);
    const other = await world.join();
    await run(world, 3_000);
    expect(open(world)).toEqual([]);
    for (const { node, endpointKey, at } of world.requests) {
      if (at > 300) expect(node.owns('endpoint', endpointKey)).toBe(true);
    }
    expect(nodesOf(world.requests)).toEqual([one.name, other.name]);
  });
});

describe('a breaker', () => {
  /** Endpoint of the other node fails at the first one until its breaker is open. */
  async function broken() {
    const { world, one, other } = await pair();
    const key = owned(other);
    for (let n = 0; n < BREAKER_FAILURES; n++) {
      world.publish(one, key);
      await world.clock.advance(1);
      world.answer(500);
      await world.clock.advance(1);
    }
    await world.clock.advance(SETTLE_MS);
    return { world, one, other, key };
  }

  it("that opens is the owner's, who waits and then probes", async () => {
    const { world, one, other, key } = await broken();
    expect(nodesOf(world.requests)).toEqual([one.name]);
    expect(one.schedule.state(key)).toMatchObject({ elsewhere: true, resident: 0 });
    world.publish(one, key);
    world.publish(other, key);
    world.requests.length = 0;
    await world.clock.advance(0.8 * BREAKER_PROBE_MS.first);
    expect(world.requests).toEqual([]);
    expect(other.schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: true } });
    await world.clock.advance(BREAKER_PROBE_MS.first);
    expect(world.requests.map(({ node }) => node.name)).toEqual([other.name]);
    // The next wait is twice as long.
    world.answer(500);
    await world.clock.advance(1.5 * BREAKER_PROBE_MS.first);
    expect(world.requests).toHaveLength(1);
    await world.clock.advance(BREAKER_PROBE_MS.first);
    expect(world.requests.map(({ node }) => node.name)).toEqual([other.name, other.name]);
  });

  it("closes for all when the owner's probe arrives", async () => {
    const { world, one, other, key } = await broken();
    for (let n = 0; n < 20; n++) world.publish(one, key);
    await run(world, 2 * BREAKER_PROBE_MS.first);
    await run(world, RETRY_MS);
    expect(open(world)).toEqual([]);
    for (const { schedule } of world.nodes) {
      expect(schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: false } });
    }
    for (const node of [one, other]) {
      world.requests.length = 0;
      world.publish(node, key);
      await world.clock.advance(SETTLE_MS);
      expect(nodesOf(world.requests)).toEqual([node.name]);
      world.answer(200);
    }
  });

  it('that has closed lets every node bring what waits', async () => {
    const { world, one, other, key } = await broken();
    for (let n = 0; n < 200; n++) world.publish(other, key);
    while (world.underWay().length === 0) await world.clock.advance(1_000);
    world.answer(200);
    world.requests.length = 0;
    await run(world, 2_000);
    expect(nodesOf(world.requests)).toEqual([one.name, other.name]);
    expect(world.requests.length).toBeGreaterThanOrEqual(199);
  });

  it('closes for all when what was under way elsewhere arrives', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    for (let n = 0; n < BREAKER_FAILURES + 10; n++) world.publish(one, key);
    await world.clock.advance(1);
    for (let n = 0; n < BREAKER_FAILURES; n++) {
      const underWay = world.underWay();
      world.answer(500, underWay.slice(0, underWay.length === 1 ? 1 : -1));
      await world.clock.advance(1);
      if (one.schedule.state(key)?.breaker.open) break;
    }
    await world.clock.advance(SETTLE_MS);
    expect(one.schedule.state(key)).toMatchObject({ elsewhere: true, inFlight: 1 });
    expect(other.schedule.state(key)?.breaker.open).toBe(true);
    world.publish(other, key);
    world.answer(200);
    await world.clock.advance(SETTLE_MS);
    expect(one.schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: false } });
    // The owner does not wait for its time either: one of them has it under way.
    expect(world.underWay()).toHaveLength(1);
    await run(world, RETRY_MS + 1_000);
    expect(open(world)).toEqual([]);
  });

  it("is the next one's when its owner leaves", async () => {
    const { world, one, other, key } = await broken();
    world.publish(one, key);
    await world.clock.advance(SETTLE_MS);
    world.leave(other);
    world.requests.length = 0;
    await world.clock.advance(2 * BREAKER_PROBE_MS.first);
    expect(world.requests.map(({ node }) => node.name)).toEqual([one.name]);
    await run(world, RETRY_MS);
    expect(open(world)).toEqual([]);
  });

  it('that the store knows of is open at a node that joins, and so becomes the owner', async () => {
    const { world, one, other, key } = await broken();
    world.publish(other, key);
    let third = await world.join();
    while (!third.owns('endpoint', key)) third = await world.join();
    await world.clock.advance(SETTLE_MS);
    expect(third.schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: true } });
    for (const node of [one, other]) expect(node.schedule.state(key)?.elsewhere).toBe(true);
    world.requests.length = 0;
    await world.clock.advance(1.2 * BREAKER_PROBE_MS.first);
    expect(world.requests.map(({ node }) => node.name)).toEqual([third.name]);
  });

  it('whose opening the store forgot closes where nobody probes', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    world.deaf = true;
    for (let n = 0; n < BREAKER_FAILURES; n++) {
      world.publish(one, key);
      await world.clock.advance(1);
      world.answer(500);
      await world.clock.advance(1);
    }
    expect(one.schedule.state(key)?.elsewhere).toBe(true);
    // What was read before the opening was written says nothing.
    one.schedule.heardBroken(new Set());
    expect(one.schedule.state(key)?.elsewhere).toBe(true);
    await world.clock.advance(BREAKER_PROBE_MS.first);
    one.schedule.heardBroken(new Set());
    expect(one.schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: false } });
  });

  it('is not opened again by what was read before it closed', async () => {
    const { world, other, key } = await broken();
    world.publish(other, key);
    await world.clock.advance(1.5 * BREAKER_PROBE_MS.first);
    world.answer(200);
    other.schedule.heardBroken(new Set([key]));
    await world.clock.advance(SETTLE_MS);
    expect(other.schedule.state(key)).toMatchObject({ elsewhere: false, breaker: { open: false } });
  });

  it('goes its own way at a node that is alone', async () => {
    const world = await ScheduledNodes.of(1);
    const [one] = world.nodes as [Node];
    one.schedule.heardBroken(new Set([1]));
    world.publish(one, 1);
    await world.clock.advance(1);
    expect(world.underWay()).toHaveLength(1);
    expect(one.schedule.state(1)?.breaker.open).toBe(false);
  });
});

describe('a node whose leases', () => {
  it('do not hold begins nothing, and goes on when they hold again', async () => {
    const { world, one } = await pair();
    for (let n = 0; n < 10; n++) world.publish(one, 1);
    await world.clock.advance(1);
    const begun = world.requests.length;
    expect(begun).toBeGreaterThan(0);
    one.holds = false;
    one.schedule.leaseChanged();
    world.publish(null, owned(one, 5));
    await run(world, 5_000);
    expect(world.requests).toHaveLength(begun);
    one.holds = true;
    one.schedule.leaseChanged();
    await run(world, 1_000);
    expect(open(world)).toEqual([]);
    expect(world.requests).toHaveLength(11);
  });

  it('do not hold takes nothing into memory that is yet to be stored: the store has it for whoever may send it', async () => {
    const { world, one } = await pair();
    expect(one.schedule.admit(1, 1, 2)).toBe(true);
    one.schedule.unadmit(1, 2);
    one.holds = false;
    expect(one.schedule.admit(1, 1, 2)).toBe(false);
    world.publish(one, 1);
    one.holds = true;
    one.schedule.leaseChanged();
    await run(world, 1_000);
    expect(open(world)).toEqual([]);
  });

  it('lapsed while requests waited in the sender sends these when they hold again', async () => {
    const { world, one } = await pair();
    world.destinations.set(1, {});
    for (let n = 0; n < 3; n++) world.publish(one, 1);
    await world.clock.advance(1);
    one.holds = false;
    const refused = world.underWay();
    expect(refused).toHaveLength(3);
    for (const request of refused) one.refused(request);
    await world.clock.advance(SETTLE_MS);
    expect(world.requests).toEqual([]);
    expect(one.schedule.inFlight).toBe(0);
    one.holds = true;
    one.schedule.leaseChanged();
    await run(world, SETTLE_MS);
    expect(world.requests).toHaveLength(3);
    expect(open(world)).toEqual([]);
  });

  it('lapsed while its probe waited in the sender sends another probe', async () => {
    const world = await ScheduledNodes.of(1);
    const [one] = world.nodes as [Node];
    for (let n = 0; n < BREAKER_FAILURES + 1; n++) world.publish(one, 1);
    while (one.schedule.state(1)?.breaker.open !== true) {
      await world.clock.advance(1);
      world.answer(500);
    }
    world.requests.length = 0;
    while (world.requests.length === 0) await world.clock.advance(1_000);
    one.holds = false;
    one.refused(world.requests[0] as Request);
    await world.clock.advance(SETTLE_MS);
    one.holds = true;
    one.schedule.leaseChanged();
    await world.clock.advance(SETTLE_MS);
    expect(world.underWay()).toHaveLength(1);
  });

  it('are void forgets what it had, but for what is under way', async () => {
    const { world, one, other } = await pair();
    const key = owned(other);
    for (let n = 0; n < 40; n++) world.publish(one, key);
    world.publish(one, 9_999);
    await world.clock.advance(1);
    world.answer(500, world.underWay(9_999));
    await world.clock.advance(5);
    const begun = world.underWay(key).length;
    // One retry waits in memory, one delivery is on its way from a commit, room for it is reserved.
    const late = { messageKey: 5_000, endpointKey: key, orderKey: null, dueAt: 0, fence: 0 } as const;
    expect(one.schedule.admit(1, key, 2)).toBe(true);
    const leased = world.lease(one, { ...late, state: 'pending' });
    world.rejoin(one);
    expect(one.schedule.resident).toBe(begun + 1);
    one.schedule.push([leased]);
    expect(one.schedule.resident).toBe(begun);
    await run(world, RETRY_MS + 2_000);
    expect(one.schedule.resident).toBe(0);
    expect(open(world)).toEqual([]);
    // The leases of what was under way were void: others sent it as well. Nothing else went out twice.
    const again = [...Map.groupBy(world.sent(key), ({ messageKey }) => messageKey).values()];
    expect(again.filter(({ length }) => length > 1)).toHaveLength(begun);
    expect(world.sent(key).some(({ messageKey }) => messageKey === 5_000)).toBe(false);
  });
});
