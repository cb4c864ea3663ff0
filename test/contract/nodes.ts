import { expect } from 'vitest';
import { firstFence, type Lease } from '../../src/model/lease.ts';
import type { EndedNode, NodeInfo, NodeView, Signal, Store } from '../../src/store/store.ts';
import { type ContractDriver, type ContractTest, claimDue, NOW } from './world.ts';

const LEASE_MS = 600_000;

export function nodeContract(test: ContractTest, driver: ContractDriver): void {
  membership(test, driver);
  releases(test);
  exclusion(test);
  severalAtOnce(test);
  revisions(test);
}

function membership(test: ContractTest, { shared }: ContractDriver): void {
  test('says whether several processes may use it', async ({ store }) => {
    expect(store.shared).toBe(shared);
    expect(store.parallelCommits).toBeGreaterThanOrEqual(1);
  });

  test('joins each node under an epoch above all before, also over reopening', async (given) => {
    const epochs = [given.epoch];
    for (let count = 0; count < 3; count++) {
      epochs.push((await given.store.nodeJoin({ name: 'again', leaseMs: LEASE_MS })).epoch);
      await given.reopen();
      epochs.push(given.epoch);
    }
    expect(epochs[0]).toBeGreaterThan(0);
    expect(epochs.every(Number.isSafeInteger)).toBe(true);
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
  });

  test('tells a node that beats that it is live, and lists it', async (given) => {
    const { epoch } = await given.store.nodeJoin({ name: 'ü', leaseMs: LEASE_MS });
    const { live } = await beat(given.store, epoch);
    expect(live).toContain(epoch);
    const listed = await given.store.nodeList();
    expect(listed.map((node) => node.epoch)).toEqual(listed.map((node) => node.epoch).sort((a, b) => a - b));
    const node = listed.find((each) => each.epoch === epoch);
    expect(node).toMatchObject({ name: 'ü', ended: false });
    expect(node?.beatAt).toBeGreaterThanOrEqual(node?.startedAt as number);
  });

  test('tells the time of its clock with a beat, where that is not the clock of this process', async (given) => {
    const { epoch } = await given.store.nodeJoin({ name: 'a', leaseMs: LEASE_MS });
    const { now } = await beat(given.store, epoch);
    if (!given.store.shared) {
      expect(now).toBeNull();
      return;
    }
    const { beatAt } = (await given.store.nodeList()).find((node) => node.epoch === epoch) as NodeInfo;
    expect(now).toBeGreaterThanOrEqual(beatAt);
    expect(now).toBeLessThan(beatAt + 10_000);
  });

  test('ends a node that leaves, and tells whoever beats next which fences it had', async (given) => {
    const left = given.epoch;
    const fence = given.fence();
    await given.store.nodeLeave({ epoch: left });
    expect(await given.store.nodeBeat({ epoch: left, leaseMs: LEASE_MS })).toBe('lost');
    await given.join();
    const { live, ended } = await beat(given.store, given.epoch);
    expect(live).not.toContain(left);
    expect(endedWith(ended, fence)).toHaveLength(1);
    expect(endedWith(ended, given.fence())).toEqual([]);
  });

  test('forgets a node that ended, over reopening too, and none that is live', async (given) => {
    await given.store.nodeLeave({ epoch: given.epoch });
    await given.join();
    const { ended } = await beat(given.store, given.epoch);
    for (const { epoch } of [...ended, given]) await given.store.nodeForget({ epoch });
    expect(await beat(given.store, given.epoch)).toMatchObject({ live: [given.epoch], ended: [] });
    const listed = await given.store.nodeList();
    expect(listed.map(({ epoch }) => epoch)).toEqual([given.epoch]);
    // What is forgotten, and what never was, is not there to beat.
    for (const epoch of [ended[0]?.epoch ?? 0, given.epoch + 100])
      expect(await given.store.nodeBeat({ epoch, leaseMs: LEASE_MS })).toBe('lost');
  });

  test('can be tended at any time, and loses nothing by it', async (given) => {
    const { application, keys } = await given.company();
    const message = given.message();
    await given.accepted(application.key, keys, { message });
    for (const now of [NOW, NOW, NOW + 86_400_000, NOW - 86_400_000])
      await given.store.storeTend({ now, keepMs: null, rows: 100 });
    expect(
      await given.store.messageFind({ applicationKey: application.key, ref: message.id }),
    ).not.toBeNull();
    expect((await given.store.deliveryBacklog()).length).toBe(1);
  });
}

function releases(test: ContractTest): void {
  test('releases what an ended node had leased, so much at a time, and nothing of others', async (given) => {
    const { application, keys } = await given.company(2);
    for (const state of ['sending', 'sending', 'held', 'pending', 'sending', 'sending'] as const)
      await given.accepted(application.key, [keys[0]], { state });
    const resent = await given.accepted(application.key, [keys[0]], { state: 'held' });
    // Of the waiting and the resend one each.
    await given.store.resendInsert({ messageKey: resent, endpointKey: keys[0], now: NOW, limit: 9 });
    await claimDue(given.store, { endpointKey: keys[0], dueBy: NOW, limit: 9, fence: given.fence() });
    const had = given.fence();
    await given.store.nodeLeave({ epoch: given.epoch });
    await given.join();
    await given.accepted(application.key, [keys[1] as number], { state: 'sending' });
    const [node] = endedWith((await beat(given.store, given.epoch)).ended, had);
    const { from, before } = node as EndedNode;
    const steps: number[] = [];
    for (let more = true; more && steps.length < 20; ) {
      const step = await given.store.deliveryRelease({ from, before, now: NOW, limit: 4 });
      expect(step.released).toBeLessThanOrEqual(4);
      expect(step.stored.map(({ endpointKey }) => endpointKey)).toEqual(step.released > 0 ? [keys[0]] : []);
      steps.push(step.released);
      more = step.more;
    }
    expect(steps.slice(0, 2)).toEqual([4, 2]);
    expect(await given.store.deliveryCountOpen({ endpointKey: keys[0] })).toEqual({
      ...{ pending: 5, sending: 0, held: 2 },
    });
    expect(await given.store.deliveryCountOpen({ endpointKey: keys[1] as number })).toMatchObject({
      sending: 1,
    });
  });

  test('releases what has a fence from one on and below another', async (given) => {
    const { application, keys } = await given.company();
    const fences = [given.fence(), given.fence(), given.fence(), given.fence()];
    const messageKeys: number[] = [];
    for (const fence of fences)
      messageKeys.push(await given.accepted(application.key, keys, { state: 'sending', fence }));
    const [, second, , fourth] = fences as [number, number, number, number];
    const range = { from: second, before: fourth, now: NOW, limit: 9 };
    expect(await given.store.deliveryRelease(range)).toMatchObject({ released: 2, more: false });
    expect(await given.store.deliveryRelease(range)).toEqual({ released: 0, more: false, stored: [] });
    const found = await given.store.deliveryFind({ endpointKey: keys[0], messageKeys });
    const states = found
      .toSorted((one, other) => one.messageKey - other.messageKey)
      .map(({ state }) => state);
    expect(states).toEqual(['sending', 'pending', 'pending', 'sending']);
  });

  test('says when what it released is due, for each endpoint: resends at any time, lines when it is their turn', async (given) => {
    const { application, keys } = await given.company(3);
    const [plain, resent, ordered] = keys as unknown as [number, number, number];
    for (const delay of [7, 5, 9])
      await given.accepted(application.key, [plain], { state: 'sending', now: NOW + delay });
    await given.resendLeased(await given.accepted(application.key, [resent], { state: 'held' }), resent);
    const line: number[] = [];
    for (let count = 0; count < 2; count++)
      line.push(await given.accepted(application.key, [ordered], { orderKey: '' }));
    await claimDue(given.store, { endpointKey: ordered, dueBy: NOW, limit: 9, fence: given.fence() });
    const before = given.fence();
    const released = await given.store.deliveryRelease({ from: 0, before, now: NOW + 3, limit: 9 });
    expect(released).toMatchObject({ released: 5, more: false });
    expect(released.stored.toSorted((one, other) => one.endpointKey - other.endpointKey)).toEqual([
      { endpointKey: plain, dueAt: NOW + 5 },
      { endpointKey: resent, dueAt: 0 },
      { endpointKey: ordered, dueAt: NOW },
    ]);
    const times = await given.store.deliveryFind({ endpointKey: ordered, messageKeys: line });
    expect(times.map(({ nextAttemptAt }) => nextAttemptAt).toSorted()).toEqual([NOW, null]);
  });
}

function exclusion(test: ContractTest): void {
  test('runs what is to run exclusively one after the other, and gives what it answers', async ({
    store,
  }) => {
    const { log, open, held } = holding(store);
    const next = [1, 2].map((each) =>
      store.exclusively(async () => {
        log.push(`run ${each}`);
        return each;
      }),
    );
    await store.check();
    open();
    expect(await Promise.all([held, ...next])).toEqual(['done', 1, 2]);
    expect(log.slice(0, 2)).toEqual(['begun', 'done']);
    expect(log.slice(2).toSorted()).toEqual(['run 1', 'run 2']);
  });

  test('lets the next one run when one fails, and says how it failed', async ({ store }) => {
    const failed = store.exclusively(() => Promise.reject(new Error('Not today.')));
    await expect(failed).rejects.toThrow('Not today.');
    const thrown = store.exclusively(() => {
      throw new Error('Nor now.');
    });
    await expect(thrown).rejects.toThrow('Nor now.');
    expect(await store.exclusively(async () => 'next')).toBe('next');
  });
}

/** For stores that several processes use at once. */
function severalAtOnce(test: ContractTest): void {
  test('tells each node of the others', async (given) => {
    const other = await given.another();
    const { epoch } = await other.nodeJoin({ name: 'other', leaseMs: LEASE_MS });
    const live = [given.epoch, epoch];
    expect((await beat(given.store, given.epoch)).live).toEqual(live);
    expect((await beat(other, epoch)).live).toEqual(live);
    expect((await given.store.nodeList()).map(({ name }) => name)).toEqual(['given', 'other']);
    const leases = async () => {
      const view = await beat(given.store, given.epoch);
      return view.leases.map((each) => [each.name, Math.round(each.leaseMs / 1_000)]);
    };
    expect(await leases()).toEqual([
      ['given', LEASE_MS / 1_000],
      ['other', LEASE_MS / 1_000],
    ]);
    await other.nodeBeat({ epoch, leaseMs: 90_000 });
    expect((await leases())[1]).toEqual(['other', 90]);
    await other.nodeLeave({ epoch });
    const view = await beat(given.store, given.epoch);
    expect(view.live).toEqual([given.epoch]);
    expect(view.ended).toEqual([
      { epoch, from: firstFence(epoch), before: firstFence(epoch + 1), name: 'other', silentMs: null },
    ]);
  });

  test('ends a node that does not beat for as long as its lease holds', async (given) => {
    const other = await given.another();
    const { epoch } = await other.nodeJoin({ name: 'other', leaseMs: 0 });
    await expect.poll(async () => (await beat(given.store, given.epoch)).live).toEqual([given.epoch]);
    const [ended] = (await beat(given.store, given.epoch)).ended;
    expect(ended).toMatchObject({ epoch, name: 'other', silentMs: expect.any(Number) });
    // It can't leave any more: that others ended it stays true.
    await other.nodeLeave({ epoch });
    const [still] = (await beat(given.store, given.epoch)).ended;
    expect(still?.silentMs).toBeGreaterThanOrEqual(ended?.silentMs as number);
    expect(await other.nodeBeat({ epoch, leaseMs: LEASE_MS })).toBe('lost');
    const listed = (await given.store.nodeList()).find((each) => each.epoch === epoch);
    expect(listed).toMatchObject({ ended: true });
  });

  test('tells other processes what one signals, and not itself', async (given) => {
    const other = await given.another();
    const [told, toldItself]: [Signal[], Signal[]] = [[], []];
    given.store.listen((signals) => told.push(...signals));
    other.listen((signals) => toldItself.push(...signals));
    const signals: Signal[] = [
      { kind: 'stored', endpoints: [{ endpointKey: 1, dueAt: NOW }] },
      { kind: 'dropped', leases: [{ messageKey: 7, endpointKey: 1, fence: 9, resendKey: null }] },
      { kind: 'hurry', endpointKey: 1 },
    ];
    await other.signalSend({ signals });
    await expect.poll(() => told).toEqual(expect.arrayContaining(signals));
    expect(toldItself.filter(({ kind }) => kind !== 'look')).toEqual([]);
  });

  test('tells other processes that an application, an event type or a key was changed', async (given) => {
    const application = await given.application();
    const other = await given.another();
    const told: Signal[] = [];
    other.listen((signals) => told.push(...signals));
    const applicationKey = application.key;
    await given.store.applicationUpdate({ applicationKey, now: NOW, changes: { name: 'Other' } });
    await expect.poll(() => told).toContainEqual({ kind: 'application', applicationKey });
    told.length = 0;
    await given.endpoint(applicationKey);
    await expect.poll(() => told).toContainEqual({ kind: 'application', applicationKey });
    await given.store.eventTypeDelete({ name: 'unknown' });
    const eventType = eventTypeNamed('ticket.created');
    await given.store.eventTypeInsert({ eventType, limit: 9 });
    await expect.poll(() => told).toContainEqual({ kind: 'event_types' });
    await given.store.keyInsert(given.key());
    await expect.poll(() => told).toContainEqual({ kind: 'keys' });
  });

  test('tells other processes which leases are void: cancelled, tried at once, or arrived by a resend', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const other = await given.another();
    const told: Signal[] = [];
    other.listen((signals) => told.push(...signals));
    const leased = async () => {
      const fence = given.fence();
      const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
      return { messageKey, endpointKey, fence, resendKey: null };
    };
    const isTold = (...leases: Lease[]) =>
      expect.poll(() => told).toContainEqual({ kind: 'dropped', leases: expect.arrayContaining(leases) });
    const arrived = await leased();
    const resend = await given.resendLeased(arrived.messageKey, endpointKey);
    await given.record({ results: [given.result(resend, { state: 'succeeded' }, { number: 0 })], now: NOW });
    await isTold(arrived);
    const cancelled = await leased();
    const { messageKey, fence, resendKey } = await given.resendLeased(cancelled.messageKey, endpointKey);
    await given.store.deliveryCancel({ deliveries: [cancelled], reason: 'cancelled', now: NOW });
    await isTold(cancelled, { messageKey, endpointKey, fence, resendKey });
    const waits = await leased();
    const retry = { state: 'pending', nextAttemptAt: NOW + 9_000 } as const;
    const result = given.result({ ...waits, orderKey: null }, retry);
    await given.record({ results: [{ ...result, keepLease: true }], now: NOW });
    await given.store.deliveryHurry({ messageKey: waits.messageKey, endpointKey, now: NOW });
    await isTold(waits);
  });

  test('runs nothing exclusively while another process does', async (given) => {
    const other = await given.another();
    const { log, open, held } = holding(given.store);
    await expect.poll(() => log).toEqual(['begun']);
    const second = other.exclusively(async () => log.push('second'));
    await other.check();
    expect(log).toEqual(['begun']);
    open();
    await Promise.all([held, second]);
    expect(log).toEqual(['begun', 'done', 'second']);
  });
}

function revisions(test: ContractTest): void {
  test('counts the changes of an application and its endpoints', async (given) => {
    const { key: applicationKey } = await given.application();
    const revision = async () =>
      (await given.store.applicationFindByKey({ applicationKey }))?.revision as number;
    let last = await revision();
    const changed = async (by: number) => {
      const now = await revision();
      expect(now - last).toBe(by);
      last = now;
    };
    await given.store.applicationUpdate({ applicationKey, now: NOW, changes: { name: 'Other' } });
    await changed(1);
    const { key: endpointKey } = await given.endpoint(applicationKey);
    await changed(1);
    const place = { applicationKey, endpointKey, now: NOW };
    await given.store.endpointUpdate({ ...place, changes: { disabled: true } });
    await changed(1);
    await given.store.endpointDelete(place);
    await changed(1);
    await given.application();
    await given.accepted(applicationKey, []);
    await changed(0);
  });

  test('takes nothing of a publish that goes by an older revision, and all of the others', async (given) => {
    const stale = await given.application();
    const { application, keys } = await given.company();
    await given.endpoint(stale.key);
    const current = await given.store.applicationFindByKey({ applicationKey: application.key });
    const late = { ...given.publish(stale.key, given.message()), revision: stale.revision };
    const [first, other] = [given.message(), given.message()];
    const publishes = [late, ...[first, other].map((each) => given.publish(application.key, each))];
    const results = await given.store.messageAccept({
      publishes: publishes.map((each) => ({ revision: current?.revision ?? 0, ...each })),
      ...{ fence: given.fence(), now: NOW },
    });
    expect(results.map(({ kind }) => kind)).toEqual(['stale', 'accepted', 'accepted']);
    const page = { limit: 9, before: null, after: null, withPayload: false };
    expect((await given.store.messageList({ applicationKey: stale.key, ...page })).rows).toEqual([]);
    expect((await given.store.messageList({ applicationKey: application.key, ...page })).rows).toHaveLength(
      2,
    );
    expect(keys).toHaveLength(1);
    await given.store.applicationDelete({ applicationKey: application.key, now: NOW });
    const gone = { ...given.publish(application.key, given.message()), revision: current?.revision ?? 0 };
    const params = { fence: given.fence(), now: NOW };
    expect(await given.store.messageAccept({ publishes: [gone], ...params })).toEqual([{ kind: 'stale' }]);
  });
}

/** Holds a store's exclusive right until `open` is called. */
function holding(store: Store) {
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const held = store.exclusively(async () => {
    log.push('begun');
    await gate.promise;
    log.push('done');
    return 'done';
  });
  return { log, open: gate.resolve, held };
}

async function beat(store: Store, epoch: number): Promise<NodeView> {
  const view = await store.nodeBeat({ epoch, leaseMs: LEASE_MS });
  if (view === 'lost') throw new Error('The node was ended.');
  return view;
}

/** Those that a fence is one of. */
function endedWith(ended: readonly EndedNode[], fence: number): EndedNode[] {
  return ended.filter(({ from, before }) => from <= fence && fence < before);
}

function eventTypeNamed(name: string) {
  const nothing = { featureFlags: null, groupName: null, schemas: null };
  const flags = { archived: false, deprecated: false, validation: 'off' as const };
  return { name, description: '', ...nothing, ...flags, createdAt: NOW, updatedAt: NOW };
}
