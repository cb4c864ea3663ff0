import { describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { ApiError } from '../errors.ts';
import {
  ACCEPT_BATCH_DELIVERIES,
  ACCEPT_FAILURE_COUNTS_MS,
  ACCEPT_FAILURES,
  ACCEPT_FANOUT_MS,
  ACCEPT_FANOUTS,
  ACCEPT_QUEUE_DELIVERIES,
  ACCEPT_WAIT_MS,
  DELIVERIES_PER_PUBLISH,
} from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { createIds } from '../model/id.ts';
import { type Publish, type PublishResult, type Store, StoreError } from '../store/store.ts';
import { Accept, type PublishMessage } from './accept.ts';

const application = { key: 1, revision: 7 } as Application;

const PLAIN = { eventTypes: null, channels: null, disabled: false, pausedAt: null, ordering: 'none' };
/** Room in memory is for as many deliveries as there are endpoints. */
interface AcceptingOptions {
  fields?: Partial<Endpoint>;
  parallelCommits?: number;
  admits?: boolean;
  /** In place of a store that takes everything. */
  messageAccept?: Store['messageAccept'];
}

/** Accept over a store that only counts, with an application of so many endpoints. */
function accepting(endpoints: number, options: AcceptingOptions = {}) {
  const { fields = {}, parallelCommits = 1, admits = false } = options;
  const clock = new ManualClock();
  const table = Array.from({ length: endpoints }, (_, key) => ({
    endpoint: { key, ...PLAIN, ...fields } as Endpoint,
  }));
  const known = { application: { revision: 7 }, endpoints: table };
  const late: number[] = [];
  const outdated: number[] = [];
  const doubtful: number[] = [];
  const pushed: number[] = [];
  const whileTaken: (() => void)[] = [];
  const transactions: number[] = [];
  const stored: number[] = [];
  let [fence, firstFence, reserved] = [100, 1, 0];
  const takeAll: Store['messageAccept'] = async ({ publishes }) => {
    whileTaken.shift()?.();
    transactions.push(
      publishes.reduce((sum, { messages }) => sum + (messages[0]?.deliveries.length ?? 0), 0),
    );
    return publishes.map(() => ({ kind: 'accepted', messageKeys: [1] }));
  };
  const find = { isThere: true };
  const accept = new Accept({
    store: {
      messageAccept: options.messageAccept ?? takeAll,
      idempotencyFind: async () => null,
      parallelCommits,
    },
    clock,
    ids: createIds(clock, seededRandom(1)),
    fences: { next: () => ++fence, isOwn: (one) => one >= firstFence },
    lanes: {
      admit: () => {
        if (admits) reserved++;
        return admits;
      },
      unadmit: () => reserved--,
      push: (deliveries) => pushed.push(...deliveries.map((each) => each.fence)),
      stored: (_, dueAt) => stored.push(dueAt),
    },
    broken: () => expect.unreachable(),
    registered: () => (find.isThere ? known : Promise.reject(new ApiError('not_found'))),
    outdated: (_, revision) => outdated.push(revision),
    doubtful: (one) => doubtful.push(one),
    heldLate: (_, endpointKey) => late.push(endpointKey),
    log: { warn: () => {} },
  });
  const publish = (message: Partial<PublishMessage> = {}) =>
    accept
      .publish({
        application,
        messages: [
          {
            eventType: 'a',
            eventId: null,
            channels: null,
            tags: null,
            payload: '{}',
            deliverAt: null,
            expiresAt: null,
            orderingKey: null,
            payloadUntil: null,
            ...message,
          },
        ],
        onlyEndpointKey: null,
        idempotency: null,
      })
      .then(
        () => 'accepted',
        (error: { code: string }) => error.code,
      );
  return {
    ...{ accept, clock, transactions, stored, publish, table, late, whileTaken, known, find },
    ...{ outdated, doubtful, pushed },
    reserved: () => reserved,
    /** Another node has taken this one for dead; it has joined anew. */
    joinAnew: () => {
      firstFence = fence + 1;
    },
  };
}

describe('accept', () => {
  it('puts what arrives together into one transaction', async () => {
    const { clock, transactions, publish } = accepting(2);
    const answers = Array.from({ length: 50 }, () => publish());
    await clock.settle();
    expect(await Promise.all(answers)).toEqual(Array(50).fill('accepted'));
    expect(transactions).toEqual([100]);
  });

  it('closes a transaction by its deliveries, so that wide fan-out does not stop the event loop', async () => {
    const { clock, transactions, publish } = accepting(ACCEPT_BATCH_DELIVERIES / 4);
    const answers = Array.from({ length: 10 }, () => publish());
    await clock.settle();
    await Promise.all(answers);
    expect(transactions).toHaveLength(3);
    expect(Math.max(...transactions)).toBeLessThanOrEqual(ACCEPT_BATCH_DELIVERIES);
  });

  it('closes it earlier where endpoints are ordered', async () => {
    const { clock, transactions, publish } = accepting(ACCEPT_BATCH_DELIVERIES / 4, {
      fields: { ordering: 'key' },
    });
    const answers = Array.from({ length: 10 }, () => publish());
    await clock.settle();
    await Promise.all(answers);
    expect(transactions).toHaveLength(10);
  });

  it('refuses what would lead to more deliveries than may wait, and takes more once they are committed', async () => {
    const { clock, publish } = accepting(ACCEPT_QUEUE_DELIVERIES / 10);
    const answers = Array.from({ length: 12 }, () => publish());
    await clock.settle();
    const codes = await Promise.all(answers);
    expect(codes.filter((code) => code === 'accepted')).toHaveLength(10);
    expect(codes.filter((code) => code === 'too_many_requests')).toHaveLength(2);
    const later = publish();
    await clock.settle();
    expect(await later).toBe('accepted');
  });

  it('refuses a call that leads to too many deliveries by itself', async () => {
    const { clock, transactions, publish } = accepting(DELIVERIES_PER_PUBLISH + 1);
    const answer = publish();
    await clock.settle();
    expect(await answer).toBe('payload_too_large');
    expect(transactions).toEqual([]);
  });

  it('lets what is for later wait in the store until then, and takes a time that is over for now', async () => {
    const { clock, stored, publish } = accepting(1);
    const now = clock.now();
    const answers = [now + 60_000, now - 60_000, null].map((deliverAt) => publish({ deliverAt }));
    await clock.settle();
    expect(await Promise.all(answers)).toEqual(Array(3).fill('accepted'));
    expect(stored).toEqual([now + 60_000, now, now]);
  });

  it('asks for a release where a pause ended while what it holds was on its way into the store', async () => {
    const { clock, publish, table, late, whileTaken } = accepting(3, { fields: { pausedAt: 1 } });
    const first = publish();
    await clock.settle();
    expect(await first).toBe('accepted');
    expect(late).toEqual([]);
    const second = publish();
    const [one, other] = table.map(({ endpoint }) => endpoint) as [Endpoint, Endpoint];
    // The store takes its time: by then one is no longer paused, and one was disabled besides.
    whileTaken.push(() => {
      table[0] = { endpoint: { ...one, pausedAt: null } };
      table[1] = { endpoint: { ...other, pausedAt: null, disabled: true } };
    });
    await clock.settle();
    expect(await second).toBe('accepted');
    expect(late).toEqual([0]);
  });
});

/** A store whose transactions end when the test says so, and with what it says. */
function heldStore() {
  const begun: { publishes: readonly Publish[]; fence: number; end(how: PublishResult['kind']): void }[] = [];
  const failures: ((error: Error) => void)[] = [];
  const messageAccept: Store['messageAccept'] = ({ publishes, fence }) =>
    new Promise((resolve, reject) => {
      failures.push(reject);
      const end = (kind: PublishResult['kind']) =>
        resolve(publishes.map(() => ({ kind, messageKeys: [1] }) as PublishResult));
      begun.push({ publishes, fence, end });
    });
  return { begun, messageAccept, fail: (error: Error) => failures.shift()?.(error) };
}

describe('accept, on a store that several processes share', () => {
  it('has so many transactions under way at once, each under a fence of its own', async () => {
    const { begun, messageAccept } = heldStore();
    const { accept, clock, publish } = accepting(1, { parallelCommits: 3, messageAccept });
    const answers: Promise<string>[] = [];
    for (let n = 0; n < 5; n++) {
      answers.push(publish());
      await clock.settle();
    }
    // The fourth and the fifth wait for a turn, and take it together.
    expect(begun).toHaveLength(3);
    expect(new Set(begun.map(({ fence }) => fence)).size).toBe(3);
    begun[1]?.end('accepted');
    await clock.settle();
    expect(begun.map(({ publishes }) => publishes.length)).toEqual([1, 1, 1, 2]);
    let drained = false;
    void accept.drained().then(() => {
      drained = true;
    });
    for (const index of [0, 2]) begun[index]?.end('accepted');
    await clock.settle();
    expect(drained).toBe(false);
    begun[3]?.end('accepted');
    await clock.settle();
    expect(drained).toBe(true);
    expect(await Promise.all(answers)).toEqual(Array(5).fill('accepted'));
  });

  it('fans out anew what was decided by an application that had changed, before what came later', async () => {
    const { begun, messageAccept } = heldStore();
    const { clock, publish, known, outdated, reserved } = accepting(2, { messageAccept, admits: true });
    const [first, second] = [publish({ eventId: 'first' }), publish({ eventId: 'second' })];
    await clock.settle();
    const third = publish({ eventId: 'third' });
    expect(reserved()).toBe(4);
    known.application.revision = 8;
    known.endpoints.length = 1;
    begun[0]?.end('stale');
    await clock.settle();
    expect(outdated).toEqual([7, 7]);
    const again = begun[1]?.publishes ?? [];
    expect(again.map(({ revision, messages }) => [revision, messages[0]?.deliveries.length])).toEqual(
      Array(3).fill([8, 1]),
    );
    expect(again.map(({ messages }) => messages[0]?.eventId)).toEqual(['first', 'second', 'third']);
    begun[1]?.end('accepted');
    await clock.settle();
    expect(await Promise.all([first, second, third])).toEqual(Array(3).fill('accepted'));
    expect(reserved()).toBe(3);
  });

  it('refuses what meets nothing but changes, and what is for an application that is gone by now', async () => {
    const { begun, messageAccept } = heldStore();
    const { clock, publish, find, reserved } = accepting(1, { messageAccept, admits: true });
    const unlucky = publish();
    for (let fanOuts = 1; fanOuts <= ACCEPT_FANOUTS; fanOuts++) {
      await clock.advance(fanOuts <= 2 ? 0 : ACCEPT_FANOUT_MS.most);
      expect(begun).toHaveLength(fanOuts);
      begun.at(-1)?.end('stale');
    }
    expect(await unlucky).toBe('unavailable');
    const late = publish();
    await clock.settle();
    find.isThere = false;
    begun.at(-1)?.end('stale');
    await clock.settle();
    expect(await late).toBe('not_found');
    expect([begun.length, reserved()]).toEqual([ACCEPT_FANOUTS + 1, 0]);
  });

  it('refuses for now what waits too long for its turn', async () => {
    const { begun, messageAccept, fail } = heldStore();
    const { clock, publish } = accepting(1, { messageAccept });
    const answers = [publish()];
    await clock.settle();
    answers.push(publish());
    await clock.advance(ACCEPT_WAIT_MS / 2);
    answers.push(publish());
    await clock.advance(ACCEPT_WAIT_MS / 2);
    expect(await answers[1]).toBe('unavailable');
    fail(new StoreError('unavailable', 'Not now.'));
    await clock.settle();
    expect(await answers[0]).toBe('unavailable');
    begun[1]?.end('accepted');
    await clock.settle();
    expect(await answers[2]).toBe('accepted');
    // Nothing is left that would wake a process that is idle.
    expect(clock.nextTimerAt).toBeNull();
  });

  it('has one publish at a time try a store that failed several times, and refuses others at once', async () => {
    const { begun, messageAccept, fail } = heldStore();
    const { accept, clock, publish, find } = accepting(1, { messageAccept, parallelCommits: 3 });
    for (let failures = 0; failures < ACCEPT_FAILURES; failures++) {
      const answer = publish();
      await clock.settle();
      fail(new StoreError('unavailable', 'Not now.'));
      expect(await answer).toBe('unavailable');
    }
    expect(accept.failure?.message).toBe('Not now.');
    const probe = publish();
    await clock.settle();
    expect(await Promise.all([publish(), publish()])).toEqual(['unavailable', 'unavailable']);
    // Nor do they wait for what would have to be read of their application first.
    find.isThere = false;
    expect(await publish()).toBe('unavailable');
    find.isThere = true;
    expect(begun).toHaveLength(ACCEPT_FAILURES + 1);
    begun.at(-1)?.end('accepted');
    expect(await probe).toBe('accepted');
    expect(accept.failure).toBeNull();
    // It is back: as many as ever are under way at once.
    void publish();
    await clock.settle();
    void publish();
    await clock.settle();
    expect(begun).toHaveLength(ACCEPT_FAILURES + 3);
  });

  it('says no more of a failure that no other publish followed', async () => {
    const { messageAccept, fail } = heldStore();
    const { accept, clock, publish } = accepting(1, { messageAccept });
    const answer = publish();
    await clock.settle();
    fail(new StoreError('unavailable', 'Not now.'));
    expect(await answer).toBe('unavailable');
    expect(accept.failure).not.toBeNull();
    await clock.advance(ACCEPT_FAILURE_COUNTS_MS);
    expect(accept.failure).toBeNull();
  });

  it('leaves to others what it may have leased without knowing', async () => {
    const { begun, messageAccept, fail } = heldStore();
    const { clock, publish, doubtful, pushed, reserved, joinAnew } = accepting(1, {
      messageAccept,
      admits: true,
    });
    const unsure = publish();
    await clock.settle();
    fail(new StoreError('unknown', 'The connection broke.'));
    expect(await unsure).toBe('unavailable');
    expect([doubtful, reserved()]).toEqual([[begun[0]?.fence], 0]);
    await clock.settle();
    const late = publish();
    await clock.settle();
    joinAnew();
    begun[1]?.end('accepted');
    await clock.settle();
    expect(await late).toBe('accepted');
    expect([doubtful.slice(1), pushed, reserved()]).toEqual([[begun[1]?.fence], [], 0]);
    const own = publish();
    await clock.settle();
    begun[2]?.end('accepted');
    await clock.settle();
    expect(await own).toBe('accepted');
    expect([pushed, reserved()]).toEqual([[begun[2]?.fence], 1]);
  });
});
