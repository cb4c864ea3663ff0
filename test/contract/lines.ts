import { expect } from 'vitest';
import type { Verdict } from '../../src/model/delivery.ts';
import type { LeasedDelivery } from '../../src/model/lease.ts';
import { Tasks } from './task-world.ts';
import { type ContractTest, claimDue, type Given, NOW } from './world.ts';

const DONE: Verdict = { state: 'succeeded' };
const FAILED: Verdict = { state: 'failed', reason: 'retries_exhausted' };
const LATER: Verdict = { state: 'pending', nextAttemptAt: NOW + 60_000 };

export function lineContract(test: ContractTest): void {
  turns(test);
  blocks(test);
  returns(test);
  stops(test);
}

function turns(test: ContractTest): void {
  test('give a time only to the first of a key: each key has its own line, and what is not ordered none', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a', 'b', null, 'a');
    expect(await line.times()).toEqual([0, null, 0, 0, null]);
    expect(await given.store.deliveryCountOpen({ endpointKey: line.endpointKey })).toMatchObject({
      pending: 5,
    });
    const claimed = await line.claim();
    expect(claimed.map(({ orderKey }) => orderKey)).toEqual(['a', 'b', null]);
    expect(await given.store.deliveryBacklog()).toEqual([]);
    // None gets a time behind one that is under way, of one that comes now neither.
    await line.add('a');
    expect(await line.times()).toEqual([0, null, 0, 0, null, null]);
  });

  test('go from one to the next as each arrives, at that time or at its own', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    await line.add({ deliverAt: NOW + 50 }, 'a');
    for (const [index, dueAt] of [0, 10, 50, 60].entries()) {
      expect((await line.times())[index]).toBe(dueAt);
      const [lease, ...others] = await line.claim(dueAt);
      expect(others).toEqual([]);
      await line.end(lease, DONE, (index + 1) * 10 + (index > 1 ? 30 : 0));
    }
    expect(await line.states()).toEqual(Array(4).fill('succeeded'));
  });

  test('know no time but that of their messages: a clock that was ahead makes none wait', async (given) => {
    const line = await Line.of(given);
    await line.add('a');
    const message = given.message({ deliveries: [line.delivery('a')], createdAt: NOW + 3_600_000 });
    const publishes = [given.publish(line.applicationKey, message)];
    await given.accept({ publishes, fence: given.fence(), now: NOW + 3_600_000 });
    await line.end((await line.claim())[0], DONE, 5);
    const [claimed] = await line.claim(5);
    expect(claimed).toMatchObject({ nextAttemptAt: NOW + 5 });
  });

  test('have their first one due at its own time, and those behind it at theirs, also in one batch', async (given) => {
    const line = await Line.of(given);
    const add = async (...times: (number | null)[]) => {
      const messages = times.map((deliverAt) =>
        given.message({ deliverAt, deliveries: [line.delivery('a')] }),
      );
      const publishes = messages.map((message) => given.publish(line.applicationKey, message));
      const accepted = await given.accept({ publishes, fence: given.fence(), now: NOW });
      for (const each of accepted) line.keys.push(...(each.kind === 'accepted' ? each.messageKeys : []));
    };
    await add(NOW + 50, null);
    await add(null);
    expect(await line.times()).toEqual([50, null, null]);
  });

  test('are all due at once when many keys come together', async (given) => {
    const line = await Line.of(given);
    const messages = Array.from({ length: 60 }, (_, n) =>
      given.message({ deliveries: [line.delivery(`k${n % 20}`)] }),
    );
    const publishes = [given.publish(line.applicationKey, ...messages)];
    await given.accept({ publishes, fence: given.fence(), now: NOW });
    expect(await line.claim()).toHaveLength(20);
  });

  test('keep the turn through retries, in memory or not', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    const [lease] = await line.claim();
    await line.end(lease, LATER, 1, { keepLease: true });
    expect(await line.times()).toEqual([60_000, null]);
    await line.end(lease, LATER, 2);
    expect(await line.times()).toEqual([60_000, null]);
    const [again] = await line.claim(60_000);
    await line.end(again, { state: 'cancelled', reason: 'expired' }, 3);
    expect(await line.times()).toEqual([null, 3]);
  });
}

function blocks(test: ContractTest): void {
  test('stop at one that failed, until it is skipped', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    await line.end((await line.claim())[0], FAILED, 1);
    await line.add('a');
    expect(await line.times()).toEqual([null, null, null]);
    expect(await line.before(2)).toMatchObject({ messageKey: line.keys[0], state: 'failed' });
    const skip = { reason: 'skipped', failedToo: true, now: NOW + 5 } as const;
    const skipped = await given.store.deliveryCancel({ deliveries: [line.place(0)], ...skip });
    const stored = [{ endpointKey: line.endpointKey, dueAt: NOW + 5 }];
    expect(skipped).toEqual({ cancelled: [line.place(0)], dropped: [], stored });
    expect(await line.times()).toEqual([null, 5, null]);
    expect([await line.before(1), await line.before(2)]).toMatchObject([null, { messageKey: line.keys[1] }]);
  });

  test('stop at one that failed, until it is tried again, or a resend of it arrives', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    await line.end((await line.claim())[0], FAILED, 1);
    const hurried = await given.store.deliveryHurry({ ...line.place(0), now: NOW + 3 });
    const stored = [{ endpointKey: line.endpointKey, dueAt: NOW + 3 }];
    expect(hurried).toEqual({ state: 'due', dropped: [], stored });
    expect(await line.times()).toEqual([3, null]);
    await line.end((await line.claim(3))[0], FAILED, 4);
    const lease = await given.resendLeased(line.keys[0] as number, line.endpointKey);
    expect(lease).toMatchObject({ orderKey: null });
    await line.end(lease, FAILED, 5);
    expect(await line.times()).toEqual([null, null]);
    await line.end(await given.resendLeased(line.keys[0] as number, line.endpointKey), DONE, 6);
    expect(await line.times()).toEqual([null, 6]);
  });

  test('tell who is first in them', async (given) => {
    const line = await Line.of(given);
    const first = async (orderKey: string) => {
      const found = await given.store.deliveryFirst({ endpointKey: line.endpointKey, orderKey });
      return found && [found.messageKey, found.state, typeof found.messageId];
    };
    expect(await first('a')).toBeNull();
    await line.add('a', 'a', 'b');
    expect(await first('a')).toEqual([line.keys[0], 'pending', 'string']);
    await line.end((await line.claim())[0], FAILED, 1);
    expect(await first('a')).toEqual([line.keys[0], 'failed', 'string']);
    expect(await first('b')).toEqual([line.keys[2], 'sending', 'string']);
    const skip = { reason: 'skipped', failedToo: true, now: NOW } as const;
    await given.store.deliveryCancel({ deliveries: [line.place(0)], ...skip });
    expect(await first('a')).toEqual([line.keys[1], 'pending', 'string']);
  });

  test('stop at one that is held, also when those behind it come later', async (given) => {
    const line = await Line.of(given);
    await line.add({ state: 'held' }, 'a');
    expect(await line.times()).toEqual([null, null]);
    expect(await line.claim(1_000)).toEqual([]);
    await line.task('discard', NOW + 7);
    expect(await line.times()).toEqual([null, 7]);
  });

  test('go on when what stands in the way is cancelled or loses its payload', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a', 'a', 'a');
    const [lease] = await line.claim();
    const cancel = { reason: 'cancelled', now: NOW + 1 } as const;
    await given.store.deliveryCancel({ deliveries: [line.place(1)], ...cancel });
    expect(await line.times()).toEqual([0, null, null, null]);
    const expunge = { messages: [given.ref(line.keys[0] as number)], now: NOW + 2 };
    expect(await given.store.messageExpunge(expunge)).toEqual({
      ...{ expunged: 1, dropped: [{ ...line.place(0), fence: lease?.fence, resendKey: null }] },
      stored: [{ endpointKey: line.endpointKey, dueAt: NOW + 2 }],
    });
    expect(await line.times()).toEqual([null, null, 2, null]);
    // It arrives all the same: that takes nobody's turn.
    await line.end(lease, DONE, 3);
    expect(await line.states()).toEqual(['succeeded', 'cancelled', 'pending', 'pending']);
    expect(await line.times()).toEqual([null, null, 2, null]);
  });

  test('go on when one that was held while it was under way arrives', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    const [lease] = await line.claim();
    await given.store.deliveryUnlease({ leases: [lease as LeasedDelivery], now: NOW });
    await line.update({ disabled: true });
    await line.withdraw(1);
    await line.update({ disabled: false });
    expect(await line.states()).toEqual(['held', 'pending']);
    await line.end(lease, DONE, 4);
    expect(await line.states()).toEqual(['succeeded', 'pending']);
    expect(await line.times()).toEqual([null, 4]);
  });
}

function returns(test: ContractTest): void {
  test('let an older one that comes back go first, before one that only waits', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a', 'a');
    await line.end((await line.claim())[0], DONE, 1);
    expect(await line.times()).toEqual([null, 1, null]);
    await line.task('replay', NOW + 9, 1);
    expect(await line.times()).toEqual([9, null, null]);
  });

  for (const [how, end] of [
    ['arrived', (line: Line, lease: LeasedDelivery) => line.end(lease, DONE, 20)],
    ['failed', (line: Line, lease: LeasedDelivery) => line.end(lease, FAILED, 20)],
    ['is to be tried again', (line: Line, lease: LeasedDelivery) => line.end(lease, LATER, 20)],
    ['was given back', (line: Line, lease: LeasedDelivery) => line.unlease(lease)],
    ['was left by a process that ended', (line: Line) => line.restart()],
  ] as const) {
    test(`let an older one that comes back wait while a newer one is sent, until that ${how}`, async (given) => {
      const line = await Line.of(given);
      await line.add('a', 'a');
      await line.end((await line.claim())[0], DONE, 1);
      const [lease] = await line.claim(1);
      await line.task('replay', NOW + 9, 1);
      expect(await line.states()).toEqual(['pending', 'sending']);
      expect(await line.times()).toEqual([null, 1]);
      expect(await line.before(0)).toBeNull();
      await end(line, lease as LeasedDelivery);
      expect((await line.times())[0]).toBe(20);
      expect((await line.times())[1]).toBeNull();
      expect((await line.claim(99)).map(({ messageKey }) => messageKey)).toEqual([line.keys[0]]);
    });
  }

  test('are those that the endpoint has when its deliveries are sent anew', async (given) => {
    const line = await Line.of(given, 'none');
    await line.add(null, null);
    for (const lease of await line.claim()) await line.end(lease, FAILED, 1);
    await line.update({ ordering: 'endpoint' });
    await line.task('recover', NOW + 2);
    expect(await line.times()).toEqual([2, null]);
    expect(await given.deliveryOf(line.place(1))).toMatchObject({ orderKey: '', state: 'pending' });
  });

  test('let one go on that stood behind one that is ordered otherwise when it is sent anew', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a');
    await line.end((await line.claim())[0], FAILED, 1);
    await line.update({ ordering: 'none' });
    await line.task('recover', NOW + 2);
    expect(await line.times()).toEqual([2, 2]);
    expect(await given.deliveryOf(line.place(0))).toMatchObject({ orderKey: null });
  });
}

function stops(test: ContractTest): void {
  for (const [changes, reason] of [
    [{ disabled: true }, 'endpoint_disabled'],
    [{ pausedAt: NOW }, 'endpoint_paused'],
  ] as const) {
    test(`are held whole, though what waits has no time: ${reason}`, async (given) => {
      const line = await Line.of(given);
      await line.add('a', 'a', 'a', 'b');
      await line.end((await line.claim())[0], FAILED, 1);
      await line.update(changes);
      // The last one is under way: nothing is due, so that no backlog shows it.
      expect(await given.store.deliveryBacklog()).toEqual([]);
      expect(await given.store.deliveryOrphans()).toEqual([line.endpointKey]);
      expect([await line.withdraw(1), await line.withdraw(9), await line.withdraw(9)]).toEqual([1, 1, 0]);
      expect(await line.states()).toEqual(['failed', 'held', 'held', 'sending']);
      expect(await given.deliveryOf(line.place(2))).toMatchObject({ reason });
      expect(await given.store.deliveryOrphans()).toEqual([]);
    });
  }

  test('are cancelled whole when their endpoint was deleted', async (given) => {
    const line = await Line.of(given);
    await line.add('a', 'a', 'a');
    await line.end((await line.claim())[0], FAILED, 1);
    const { endpointKey, applicationKey } = line;
    await given.store.endpointDelete({ applicationKey, endpointKey, now: NOW });
    expect(await given.store.deliveryOrphans()).toEqual([endpointKey]);
    expect(await line.withdraw()).toBe(2);
    expect(await line.states()).toEqual(['failed', 'cancelled', 'cancelled']);
    expect(await given.store.deliveryOrphans()).toEqual([]);
  });

  test('are released in their order', async (given) => {
    const line = await Line.of(given);
    await line.add({ state: 'held' }, { state: 'held' }, 'a');
    await line.task('release', NOW + 3);
    expect(await line.times()).toEqual([3, null, null]);
    expect(await line.states()).toEqual(['pending', 'pending', 'pending']);
  });
}

type Added = string | null | { state?: 'held' | 'pending'; deliverAt?: number };

/** An endpoint that is ordered by keys, with its messages in their order. Times are told in ms since NOW. */
class Line {
  readonly applicationKey: number;
  readonly endpointKey: number;
  readonly keys: number[] = [];
  readonly #given: Given;

  private constructor(given: Given, applicationKey: number, endpointKey: number) {
    this.#given = given;
    this.applicationKey = applicationKey;
    this.endpointKey = endpointKey;
  }

  static async of(given: Given, ordering: 'key' | 'none' = 'key'): Promise<Line> {
    const { key } = await given.application();
    return new Line(given, key, (await given.endpoint(key, { ordering })).key);
  }

  delivery(orderKey: string) {
    return { endpointKey: this.endpointKey, state: 'pending' as const, orderKey };
  }

  /** A message each: by its ordering key, or of the key 'a'. */
  async add(...added: Added[]): Promise<void> {
    for (const each of added) {
      const fields: Exclude<Added, string | null> = typeof each === 'object' && each !== null ? each : {};
      const orderKey = typeof each === 'object' ? (each === null ? null : 'a') : each;
      const { state = 'pending', deliverAt = null } = fields;
      const message = { deliverAt, orderingKey: orderKey };
      const options = { state, orderKey, message };
      this.keys.push(await this.#given.accepted(this.applicationKey, [this.endpointKey], options));
    }
  }

  place(index: number) {
    return { messageKey: this.keys[index] as number, endpointKey: this.endpointKey };
  }

  before(index: number) {
    return this.#given.store.deliveryBefore(this.place(index));
  }

  async claim(dueBy = 0): Promise<LeasedDelivery[]> {
    const params = { endpointKey: this.endpointKey, limit: 99, fence: this.#given.fence() };
    return (await claimDue(this.#given.store, { ...params, dueBy: NOW + dueBy })).claimed;
  }

  async end(lease: LeasedDelivery | undefined, verdict: Verdict, now: number, { keepLease = false } = {}) {
    if (lease === undefined) throw new Error('Nothing was claimed.');
    const results = [{ ...this.#given.result(lease, verdict), keepLease }];
    await this.#given.store.deliveryRecord({ results, now: NOW + now });
  }

  async unlease(lease: LeasedDelivery): Promise<void> {
    await this.#given.store.deliveryUnlease({ leases: [lease], now: NOW + 20 });
  }

  async restart(): Promise<void> {
    await this.#given.reopen();
    await this.#given.releaseEarlier(NOW + 20);
  }

  /** Over all messages, or only the first ones. */
  async task(kind: 'recover' | 'replay' | 'release' | 'discard', now: number, first?: number): Promise<void> {
    const { applicationKey, endpointKey } = this;
    const place = { applicationKey, sourceKey: endpointKey, targetKey: endpointKey };
    const page = { applicationKey, limit: 99, before: null, after: null, withPayload: false };
    const { rows } = await this.#given.store.messageList(page);
    const to = first === undefined ? 'msg_~' : (rows.at(-1 - first)?.id as string);
    await new Tasks(this.#given).run({ ...place, kind, to, now, rate: 10_000 });
  }

  async update(changes: object): Promise<void> {
    const { applicationKey, endpointKey } = this;
    await this.#given.store.endpointUpdate({ applicationKey, endpointKey, now: NOW, changes });
  }

  withdraw(limit = 9): Promise<number> {
    return this.#given.store.deliveryWithdraw({ endpointKey: this.endpointKey, limit });
  }

  async states(): Promise<string[]> {
    return (await this.#rows()).map(({ state }) => state);
  }

  async times(): Promise<(number | null)[]> {
    return (await this.#rows()).map(({ nextAttemptAt }) =>
      nextAttemptAt === null ? null : nextAttemptAt - NOW,
    );
  }

  #rows() {
    return Promise.all(this.keys.map((_, index) => this.#given.deliveryOf(this.place(index))));
  }
}
