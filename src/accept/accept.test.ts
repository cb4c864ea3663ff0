import { describe, expect, it } from 'vitest';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { ACCEPT_BATCH_DELIVERIES, ACCEPT_QUEUE_DELIVERIES, DELIVERIES_PER_PUBLISH } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { createIds } from '../model/id.ts';
import type { Store } from '../store/store.ts';
import { Accept, type PublishMessage } from './accept.ts';

const application = { key: 1 } as Application;

const PLAIN = { eventTypes: null, channels: null, disabled: false, pausedAt: null, ordering: 'none' };

/** Accept over a store that only counts, with an application of so many endpoints. */
function accepting(endpoints: number, fields: Partial<Endpoint> = {}) {
  const clock = new ManualClock();
  const table = Array.from({ length: endpoints }, (_, key) => ({
    endpoint: { key, ...PLAIN, ...fields } as Endpoint,
  }));
  const late: number[] = [];
  const whileTaken: (() => void)[] = [];
  const transactions: number[] = [];
  const stored: number[] = [];
  const messageAccept: Store['messageAccept'] = async ({ publishes }) => {
    whileTaken.shift()?.();
    transactions.push(
      publishes.reduce((sum, { messages }) => sum + (messages[0]?.deliveries.length ?? 0), 0),
    );
    return publishes.map(() => ({ kind: 'accepted', messageKeys: [1] }));
  };
  const accept = new Accept({
    store: { messageAccept } as Store,
    clock,
    ids: createIds(clock, seededRandom(1)),
    fences: { next: () => 1 },
    lanes: {
      admit: () => false,
      unadmit: () => {},
      push: () => {},
      stored: (_, dueAt) => stored.push(dueAt),
    },
    broken: () => expect.unreachable(),
    endpoints: () => table,
    heldLate: (_, endpointKey) => late.push(endpointKey),
  });
  const publish = (fields: Partial<PublishMessage> = {}) =>
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
            ...fields,
          },
        ],
        onlyEndpointKey: null,
        idempotency: null,
      })
      .then(
        () => 'accepted',
        (error: { code: string }) => error.code,
      );
  return { accept, clock, transactions, stored, publish, table, late, whileTaken };
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
    const { clock, transactions, publish } = accepting(ACCEPT_BATCH_DELIVERIES / 4, { ordering: 'key' });
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
    const { clock, publish, table, late, whileTaken } = accepting(3, { pausedAt: 1 });
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
