import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Given } from '../../test/contract/world.ts';
import { givenStore } from '../../test/helpers/given-store.ts';
import { ManualClock, seededRandom } from '../../test/helpers/manual-clock.ts';
import { TASK_RATE, TASKS_PER_APPLICATION, TASKS_PER_ENDPOINT } from '../limits.ts';
import type { Application } from '../model/application.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { createIds } from '../model/id.ts';
import { RESEND_DUE_AT } from '../model/lease.ts';
import type { Message } from '../model/message.ts';
import type { Task } from '../model/task.ts';
import { Reader } from './reader.ts';
import { Redelivery, type ReplayAsked } from './redelivery.ts';

let given: Given;
let dispose: () => Promise<void>;
let clock: ManualClock;
let redelivery: Redelivery;
let application: Application;
let endpoint: Endpoint;
const stored: [number, number][] = [];
const dropped: unknown[] = [];
const began: Task[] = [];
const hurried: number[] = [];
const underWay = new Set<number>();

beforeEach(async () => {
  ({ given, dispose } = await givenStore());
  clock = new ManualClock();
  for (const list of [stored, dropped, began, hurried]) list.length = 0;
  underWay.clear();
  redelivery = new Redelivery({
    store: given.store,
    reader: new Reader(given.store, clock),
    ids: createIds(clock, seededRandom(1)),
    clock,
    stored: (...params) => stored.push(params),
    dropped: (leases) => dropped.push(...leases),
    hurry: (endpointKey) => hurried.push(endpointKey),
    sends: (_, messageKey) => underWay.has(messageKey),
    taskBegan: (task) => began.push(task),
  });
  application = await given.application();
  endpoint = await given.endpoint(application.key);
});
afterEach(() => dispose());

type State = Parameters<Given['accepted']>[2];

/** A message for the endpoint, made now. */
async function message(options: State = {}): Promise<Message> {
  const id = createIds(clock, seededRandom(++made)).next('msg');
  const fields = { id, createdAt: clock.now(), ...options.message };
  await given.accepted(application.key, [endpoint.key], { now: clock.now(), ...options, message: fields });
  return find(id);
}
let made = 100;

async function find(id: string): Promise<Message> {
  return (await given.store.messageFind({ applicationKey: application.key, ref: id })) as Message;
}

/** Its delivery fails for good. */
async function failed(options: State = {}): Promise<Message> {
  const fence = given.fence();
  const made = await message({ ...options, state: 'sending', fence });
  const lease = given.lease(made.key, endpoint.key, fence, options.orderKey ?? null);
  const result = given.result(lease, { state: 'failed', reason: 'retries_exhausted' });
  await given.store.deliveryRecord({ results: [result], now: clock.now() });
  return made;
}

const stateOf = async ({ key }: Message) =>
  (await given.deliveryOf({ messageKey: key, endpointKey: endpoint.key })).state;

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('one delivery', () => {
  it('is cancelled while it is open; what memory has of it, resends too, is dropped', async () => {
    for (const state of ['pending', 'sending', 'held'] as const) {
      const open = await message({ state });
      const delivery = await redelivery.cancel(open, endpoint);
      expect(delivery).toMatchObject({ state: 'cancelled', reason: 'cancelled', nextAttemptAt: null });
      expect(await stateOf(open)).toBe('cancelled');
      await expect(redelivery.cancel(open, endpoint)).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('The delivery is cancelled.'),
      });
    }
    expect(dropped).toEqual([expect.objectContaining({ endpointKey: endpoint.key, resendKey: null })]);
    await expect(redelivery.cancel(await failed(), endpoint)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('failed'),
    });
  });

  it('is skipped when it is ordered, also when it failed, and the next one gets its turn', async () => {
    const first = await message({ orderKey: '' });
    const second = await message({ orderKey: '' });
    const waiting = await given.deliveryOf({ messageKey: second.key, endpointKey: endpoint.key });
    expect(waiting).toMatchObject({ state: 'pending', nextAttemptAt: null });
    const delivery = await redelivery.skip(first, endpoint);
    expect(delivery).toMatchObject({ state: 'cancelled', reason: 'skipped' });
    expect(stored).toEqual([[endpoint.key, clock.now()]]);
    await expect(redelivery.skip(await message(), endpoint)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('Use cancel'),
    });
    await expect(redelivery.skip(first, endpoint)).rejects.toEqual(code('conflict'));
  });

  it('is tried now: one that waits goes on, one that failed or is held begins anew', async () => {
    const later = await message({ message: { deliverAt: clock.now() + 60_000 } });
    const ended = await failed();
    const held = await message({ state: 'held' });
    for (const each of [later, ended, held]) {
      const delivery = await redelivery.retry(each, endpoint);
      expect(delivery).toMatchObject({ state: 'pending', nextAttemptAt: clock.now(), attemptCount: 0 });
    }
    expect(stored).toHaveLength(3);
    const underWay = await message({ state: 'sending' });
    await expect(redelivery.retry(underWay, endpoint)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('due already'),
    });
    await redelivery.cancel(later, endpoint);
    await expect(redelivery.retry(later, endpoint)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('The delivery is cancelled.'),
    });
    await redelivery.expunge(held);
    await expect(redelivery.retry(await find(held.id), endpoint)).rejects.toEqual(code('missing_payload'));
    // Its caller read it just before.
    const other = await message({ state: 'held' });
    await redelivery.expunge(other);
    await expect(redelivery.retry(other, endpoint)).rejects.toEqual(code('conflict'));
  });

  it('is as it is while its request is under way, though the store has it wait, for the clock was set back', async () => {
    const sent = await message({ orderKey: '' });
    const lane = { endpointKey: endpoint.key, deliveries: 1, characters: 100 };
    const claim = { lanes: [lane], characters: 100, dueBy: clock.now(), fence: given.fence() };
    await given.store.deliveryClaimDue(claim);
    underWay.add(sent.key);
    clock.jumpWall(-60_000);
    for (const act of ['retry', 'skip', 'cancel'] as const)
      await expect(redelivery[act](sent, endpoint)).rejects.toEqual(code('conflict'));
    expect([stored, dropped]).toEqual([[], []]);
    underWay.clear();
    await redelivery.retry(sent, endpoint);
    expect(dropped).toHaveLength(1);
  });

  it('is neither resent nor retried while the endpoint takes nothing, and none is made up', async () => {
    const each = await failed();
    for (const off of [{ disabled: true }, { pausedAt: clock.now() }]) {
      const held = { ...endpoint, ...off };
      await expect(redelivery.resend(each, held)).rejects.toEqual(code('endpoint_disabled'));
      await expect(redelivery.retry(each, held)).rejects.toEqual(code('endpoint_disabled'));
    }
    const other = await given.endpoint(application.key);
    for (const act of ['resend', 'retry', 'cancel', 'skip'] as const)
      await expect(redelivery[act](each, other)).rejects.toEqual(code('not_found'));
    await redelivery.resend(each, endpoint);
    expect(stored).toEqual([[endpoint.key, RESEND_DUE_AT]]);
  });
});

describe('many deliveries', () => {
  const asked = (fields: Partial<ReplayAsked> = {}): ReplayAsked => ({
    kind: 'replay',
    source: endpoint,
    target: endpoint,
    filter: {},
    from: clock.now() - 1_000,
    to: clock.now(),
    ...fields,
  });
  const count = async (of: ReplayAsked) => {
    const counted = redelivery.count(of, () => false);
    await clock.settle();
    return counted;
  };

  it('are counted as they would be replayed, and nothing happens', async () => {
    await message({ message: { createdAt: 0 } });
    await clock.advance(2_000);
    const ended = await failed({ message: { eventType: 'ticket.created', tags: ['import'] } });
    await failed({ message: { eventType: 'user.created' } });
    await message({ state: 'held' });
    await message();
    expect(await count(asked())).toEqual({ count: 3, scanned: 4, complete: true });
    expect(await count(asked({ kind: 'recover' }))).toMatchObject({ count: 3 });
    expect(await count(asked({ filter: { eventTypes: ['ticket.*'], states: ['failed'] } }))).toMatchObject({
      count: 1,
    });
    expect(await count(asked({ filter: { tag: 'import' } }))).toMatchObject({ count: 1 });
    const other = await given.endpoint(application.key, { eventTypes: ['user.*'] });
    expect(await count(asked({ kind: 'replay-missing', source: other, target: other }))).toMatchObject({
      count: 1,
    });
    expect([await stateOf(ended), began]).toEqual(['failed', []]);
  });

  it('are counted as far as a caller waits for it, and told to be more', async () => {
    const many = Array.from({ length: 1_200 }, (_, n) =>
      given.message({ id: idOf(n), createdAt: clock.now() }),
    );
    await given.accept({
      publishes: [given.publish(application.key, ...many)],
      fence: given.fence(),
      now: clock.now(),
    });
    const missing = asked({ kind: 'replay-missing' });
    expect(await count(missing)).toEqual({ count: 1_200, scanned: 1_200, complete: true });
    const counted = redelivery.count(missing, () => true);
    await clock.settle();
    const { complete, scanned } = await counted;
    expect([complete, scanned < 1_200, scanned > 0]).toEqual([false, true, true]);
  });
  const idOf = (n: number) => createIds(clock, seededRandom(5_000 + n)).next('msg');

  it('become a task with what was asked for, which goes on by itself', async () => {
    const filter = { eventTypes: ['ticket.*'], states: ['succeeded'] as const };
    const task = await redelivery.replay(asked({ filter, rate: 5 }));
    expect(task).toMatchObject({ kind: 'replay', state: 'running', filter, rate: 5, affected: 0 });
    expect(began).toEqual([task]);
    expect(await redelivery.replay(asked({ kind: 'recover' }))).toMatchObject({
      kind: 'recover',
      rate: TASK_RATE.usual,
      filter: { states: ['failed', 'held'] },
    });
    const picky = { ...endpoint, eventTypes: ['a', 'b.*'], channels: ['c'] };
    expect(await redelivery.replay(asked({ kind: 'replay-missing', source: picky }))).toMatchObject({
      filter: { eventTypes: ['a', 'b.*'], channels: ['c'] },
    });
    expect(await redelivery.release(endpoint, { rate: 7 })).toMatchObject({ kind: 'release', rate: 7 });
    expect(await redelivery.discard({ ...endpoint, disabled: true })).toMatchObject({ kind: 'discard' });
  });

  it('go nowhere while the endpoint is disabled; those of a paused one wait, but for a release', async () => {
    const disabled = { ...endpoint, disabled: true };
    const paused = { ...endpoint, pausedAt: clock.now() };
    await expect(redelivery.replay(asked({ target: disabled }))).rejects.toEqual(code('endpoint_disabled'));
    await expect(redelivery.release(disabled)).rejects.toEqual(code('endpoint_disabled'));
    await expect(redelivery.release(paused)).rejects.toMatchObject({
      code: 'endpoint_disabled',
      message: expect.stringContaining('paused'),
    });
    expect(await redelivery.replay(asked({ target: paused }))).toMatchObject({ state: 'running' });
    expect(await redelivery.replay(asked({ source: disabled }))).toMatchObject({ state: 'running' });
  });

  it('are limited in how many of them run, for an endpoint and for an application', async () => {
    for (let n = 0; n < TASKS_PER_ENDPOINT; n++) await redelivery.release(endpoint);
    await expect(redelivery.discard(endpoint)).rejects.toMatchObject({
      code: 'limit_reached',
      message: expect.stringContaining(`${TASKS_PER_ENDPOINT} tasks of this endpoint`),
    });
    for (let each = 1; each < TASKS_PER_APPLICATION / TASKS_PER_ENDPOINT; each++) {
      const other = await given.endpoint(application.key);
      for (let n = 0; n < TASKS_PER_ENDPOINT; n++) await redelivery.discard(other);
    }
    await expect(redelivery.discard(await given.endpoint(application.key))).rejects.toMatchObject({
      code: 'limit_reached',
      message: expect.stringContaining(`${TASKS_PER_APPLICATION} tasks of this application`),
    });
  });

  it('are found and cancelled within their application, or by whoever sees all', async () => {
    const { id } = await redelivery.release(endpoint);
    const other = await given.application();
    expect(await redelivery.taskFind(application, id)).toMatchObject({ id });
    expect(await redelivery.taskFind(null, id)).toMatchObject({ id });
    await expect(redelivery.taskFind(other, id)).rejects.toEqual(code('not_found'));
    await expect(redelivery.taskCancel(other, id)).rejects.toEqual(code('not_found'));
    expect(await redelivery.taskCancel(application, id)).toMatchObject({ id, state: 'cancelled' });
    await expect(redelivery.taskCancel(application, id)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('cancelled'),
    });
  });
});
