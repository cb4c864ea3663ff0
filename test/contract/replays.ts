import { expect } from 'vitest';
import type { DeliveryState } from '../../src/model/delivery.ts';
import type { NewMessage } from '../../src/model/message.ts';
import type { NewTask } from '../../src/model/task.ts';
import { filled, Tasks } from './task-world.ts';
import { type ContractTest, delivery, type Given, NOW } from './world.ts';

/** What tasks do, by their kinds. */
export function replayContract(test: ContractTest): void {
  recoveries(test);
  replays(test);
  missing(test);
  held(test);
}

function recoveries(test: ContractTest): void {
  test('recover brings back what failed or is held within its range, due at once and with all its tries', async (given) => {
    const { place, keys, messages } = await filled(given, 9);
    const [from, to] = [messages[2]?.id as string, messages[8]?.id as string];
    const task = await new Tasks(given).run({ ...place, from, to, rate: 10_000, now: NOW + 5 });
    expect(task).toMatchObject({
      affected: 4,
      scanned: 6,
      state: 'finished',
      position: to,
      updatedAt: NOW + 5,
    });
    for (const [index, { messageKey, state }] of messages.entries()) {
      const row = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
      const back = index >= 2 && index < 8 && ['failed', 'held'].includes(state);
      const again = { state: 'pending', attemptCount: 0, nextAttemptAt: NOW + 5, reason: null };
      expect([index, row]).toMatchObject([index, back ? again : { state }]);
      // The others' are not touched.
      expect(await given.deliveryOf({ messageKey, endpointKey: keys[1] })).toMatchObject({ state: 'failed' });
    }
  });

  test('recover leaves what has no payload any more, what expired, and messages of other applications', async (given) => {
    const { place, keys, messages } = await filled(given, 3);
    const other = await filled(given, 3);
    const late = given.message({ expiresAt: NOW, deliveries: [delivery(keys[0], 'held')] });
    const publishes = [given.publish(place.applicationKey, late)];
    await given.accept({ publishes, fence: given.fence(), now: NOW });
    const { messageKey } = messages[0] as (typeof messages)[number];
    await given.store.messageExpunge({ messages: [given.ref(messageKey)], now: NOW });
    const before = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
    expect(await new Tasks(given).run(place)).toMatchObject({ affected: 1, scanned: 4, state: 'finished' });
    expect(await given.deliveryOf({ messageKey, endpointKey: keys[0] })).toEqual(before);
    for (const each of other.messages) {
      const row = await given.deliveryOf({ messageKey: each.messageKey, endpointKey: other.keys[0] });
      expect(row).toMatchObject({ state: each.state });
    }
  });

  test('recover waits for the time of a message', async (given) => {
    const { application, keys } = await given.company();
    const options = { state: 'held', message: { deliverAt: NOW + 500 } } as const;
    const messageKey = await given.accepted(application.key, keys, options);
    await new Tasks(given).run({ applicationKey: application.key, sourceKey: keys[0], targetKey: keys[0] });
    const row = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
    expect(row).toMatchObject({ state: 'pending', nextAttemptAt: NOW + 500 });
  });
}

function replays(test: ContractTest): void {
  test('replay takes what succeeded, failed or is held, or the states it is asked for', async (given) => {
    const world = await everyState(given);
    expect(await world.replay({})).toEqual(['succeeded', 'failed', 'held']);
    const other = await everyState(given);
    expect(await other.replay({ states: ['succeeded', 'held'] })).toEqual(['succeeded', 'held']);
    // What is open stays as it is, whatever is asked for.
    expect(await other.replay({ states: ['pending', 'sending'] })).toEqual([]);
  });

  test('replay picks messages by event type, channel, tag and answer', async (given) => {
    for (const [filter, picked] of [
      [{ eventTypes: ['a.*'] }, [0, 1]],
      [{ channels: ['x', 'z'] }, [1, 2]],
      [{ tag: 'vip' }, [2]],
      [{ statusClass: 500 }, [3]],
      [{ statusClass: 200 }, []],
    ] as const) {
      const { application, keys } = await given.company();
      const fields: Partial<NewMessage>[] = [
        { eventType: 'a.b' },
        { eventType: 'a.c', channels: ['x'] },
        { eventType: 'ab', channels: ['y', 'z'], tags: ['vip'] },
        {},
      ];
      const messageKeys: number[] = [];
      for (const message of fields) {
        messageKeys.push(await given.accepted(application.key, keys, { state: 'held', message }));
      }
      const fence = given.fence();
      const lease = { ...given.lease(messageKeys[3] as number, keys[0], fence) };
      const result = given.result(lease, { state: 'failed', reason: 'final_status' });
      const exchange = { ...result.attempt.exchange, status: 502 };
      const results = [{ ...result, attempt: { ...result.attempt, exchange } }];
      await given.store.deliveryRecord({ results, now: NOW });
      const place = { applicationKey: application.key, sourceKey: keys[0], targetKey: keys[0] };
      const task = await new Tasks(given).run({ ...place, kind: 'replay', filter });
      expect(task).toMatchObject({ affected: picked.length, scanned: 4 });
      const rows = await given.store.deliveryFind({ endpointKey: keys[0], messageKeys });
      const pending = rows.filter(({ state }) => state === 'pending').map(({ messageKey }) => messageKey);
      expect(pending.map((key) => messageKeys.indexOf(key)).sort()).toEqual(picked);
    }
  });

  test('replay sends to another endpoint what that never had, or what has ended there', async (given) => {
    const { application, keys } = await given.company(2);
    const [source, target] = keys as unknown as [number, number];
    const add = (...deliveries: NewMessage['deliveries']) => {
      const publishes = [given.publish(application.key, given.message({ deliveries, orderingKey: 'k' }))];
      return given.accept({ publishes, fence: given.fence(), now: NOW });
    };
    await add(delivery(source, 'held'));
    await add(delivery(source, 'held'), delivery(target, 'held'));
    await add(delivery(source, 'held'), delivery(target, 'sending'));
    await add(delivery(target, 'held'));
    const place = { applicationKey: application.key, sourceKey: source, targetKey: target };
    const task = await new Tasks(given).run({ ...place, kind: 'replay', now: NOW + 4, rate: 10_000 });
    expect(task).toMatchObject({ affected: 2, scanned: 4, state: 'finished' });
    const messageKeys = [1, 2, 3, 4];
    const states = async (endpointKey: number) => {
      const rows = await given.store.deliveryFind({ endpointKey, messageKeys });
      return rows.toSorted((one, two) => one.messageKey - two.messageKey).map(({ state }) => state);
    };
    expect(await states(target)).toEqual(['pending', 'pending', 'sending', 'held']);
    expect(await states(source)).toEqual(['held', 'held', 'held']);
    const made = { state: 'pending', attemptCount: 0, nextAttemptAt: NOW + 4, orderKey: null, reason: null };
    expect(await given.deliveryOf({ messageKey: 1, endpointKey: target })).toMatchObject(made);
  });
}

function missing(test: ContractTest): void {
  test('replay-missing sends what the endpoint wants by its filters and never had', async (given) => {
    const { key: applicationKey } = await given.application();
    const { key: other } = await given.endpoint(applicationKey);
    const wants = { eventTypes: ['a.*', 'b'], channels: ['x', 'y'], ordering: 'key' } as const;
    const { key } = await given.endpoint(applicationKey, wants);
    const add = (fields: Partial<NewMessage>, to: readonly number[] = [other]) =>
      given.accepted(applicationKey, to, { message: { channels: ['y'], ...fields } });
    const wanted = [
      await add({ eventType: 'a.b', orderingKey: 'k' }),
      await add({ eventType: 'b' }, []),
      await add({ eventType: 'b', channels: ['z', 'x'], orderingKey: 'k' }),
    ];
    await add({ eventType: 'c' });
    await add({ eventType: 'b', channels: ['z'] });
    await add({ eventType: 'b', channels: null });
    const has = await add({ eventType: 'b' }, [key]);
    await given.store.deliveryCancel({
      deliveries: [{ messageKey: has, endpointKey: key }],
      ...{ reason: 'cancelled', now: NOW },
    });
    const place = { applicationKey, sourceKey: key, targetKey: key };
    const params = { ...place, kind: 'replay-missing', now: NOW + 3, rate: 10_000 } as const;
    expect(await new Tasks(given).run(params)).toMatchObject({ affected: 3, scanned: 7, state: 'finished' });
    const made = { state: 'pending', attemptCount: 0, reason: null };
    const rows = await Promise.all(
      wanted.map((messageKey) => given.deliveryOf({ messageKey, endpointKey: key })),
    );
    expect(rows).toMatchObject([
      { ...made, orderKey: 'k', nextAttemptAt: NOW + 3 },
      { ...made, orderKey: null, nextAttemptAt: NOW + 3 },
      { ...made, orderKey: 'k', nextAttemptAt: null },
    ]);
    const row = await given.deliveryOf({ messageKey: has, endpointKey: key });
    expect(row).toMatchObject({ state: 'cancelled' });
    const [message] = (
      await given.store.messageList({
        applicationKey,
        limit: 9,
        before: null,
        after: null,
        withPayload: false,
      })
    ).rows.filter((each) => each.key === wanted[1]);
    expect(message?.matched).toBe(true);
  });
}

function held(test: ContractTest): void {
  test('release sends what is held of messages up to its end, some at a time', async (given) => {
    const { place, keys, messages } = await filled(given, 9);
    const tasks = new Tasks(given);
    const later = await given.accepted(place.applicationKey, [keys[0]], { state: 'held' });
    const page = {
      applicationKey: place.applicationKey,
      limit: 1,
      before: null,
      after: null,
      withPayload: false,
    };
    const [last] = (await given.store.messageList(page)).rows;
    const { id } = await tasks.begin({ ...place, kind: 'release', to: last?.id as string });
    expect(await tasks.step(id, { most: 2 })).toMatchObject({ affected: 2, scanned: 2, state: 'running' });
    await given.reopen();
    expect(await tasks.step(id, { scan: 2 })).toMatchObject({ affected: 3, scanned: 4, state: 'finished' });
    const row = await given.deliveryOf({ messageKey: later, endpointKey: keys[0] });
    expect(row).toMatchObject({ state: 'held' });
    for (const { messageKey, state } of messages) {
      const row = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
      expect(row.state).toBe(state === 'held' ? 'pending' : state);
    }
  });

  test('release and discard take what is held for one reason, where they are told which', async (given) => {
    const { place, keys, messages } = await filled(given, 3);
    const tasks = new Tasks(given);
    const { applicationKey } = place;
    const paused = await given.accepted(applicationKey, [keys[0]]);
    await tasks.update(place, { pausedAt: NOW });
    await given.store.deliveryWithdraw({ endpointKey: keys[0], limit: 9 });
    await tasks.update(place, { pausedAt: null });
    const disabled = messages.find(({ state }) => state === 'held')?.messageKey as number;
    const states = async () => {
      const rows = [disabled, paused].map((messageKey) =>
        given.deliveryOf({ messageKey, endpointKey: keys[0] }),
      );
      return (await Promise.all(rows)).map(({ state }) => state);
    };
    const filter = { heldFor: 'endpoint_paused' } as const;
    const released = await tasks.run({ ...place, kind: 'release', filter });
    expect(released).toMatchObject({ affected: 1, scanned: 2, state: 'finished', filter });
    expect(await states()).toEqual(['held', 'pending']);
    const discard = { kind: 'discard', filter: { heldFor: 'endpoint_disabled' } } as const;
    expect(await tasks.run({ ...place, ...discard })).toMatchObject({ affected: 1 });
    expect(await states()).toEqual(['cancelled', 'pending']);
  });

  test('release leaves what expired, and comes to its end', async (given) => {
    const { application, keys } = await given.company();
    for (const expiresAt of [NOW, NOW, null, NOW]) {
      await given.accepted(application.key, keys, { state: 'held', message: { expiresAt } });
    }
    const tasks = new Tasks(given);
    const place = { applicationKey: application.key, sourceKey: keys[0], targetKey: keys[0] };
    const { id } = await tasks.begin({ ...place, kind: 'release' });
    const seen = [];
    for (let step = 0; step < 4; step++) seen.push((await tasks.step(id, { scan: 1 })).state);
    expect(seen).toEqual(['running', 'running', 'running', 'finished']);
    expect(await given.store.taskFind({ id })).toMatchObject({ affected: 1, scanned: 4 });
    expect(await given.store.deliveryCountOpen({})).toEqual({ pending: 1, sending: 0, held: 3 });
  });

  test('discard cancels all that is held, also while the endpoint is disabled', async (given) => {
    const { place, keys, messages } = await filled(given, 9);
    const tasks = new Tasks(given);
    await tasks.update(place, { disabled: true });
    const task = await tasks.run({ ...place, kind: 'discard' });
    expect(task).toMatchObject({ affected: 3, scanned: 3, state: 'finished' });
    for (const { messageKey, state } of messages) {
      const row = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
      const discarded = { state: 'cancelled', reason: 'discarded', nextAttemptAt: null };
      expect(row).toMatchObject(state === 'held' ? discarded : { state });
    }
    await tasks.remove(place);
    expect(await tasks.run({ ...place, kind: 'discard' })).toMatchObject({ state: 'failed' });
  });
}

const STATES = [
  'pending',
  'sending',
  'succeeded',
  'failed',
  'held',
  'cancelled',
] as const satisfies DeliveryState[];

/** A message for each state that its delivery to the endpoint is in. */
async function everyState(given: Given) {
  const { application, keys } = await given.company();
  const [endpointKey] = keys;
  const fence = given.fence();
  const messageKeys: number[] = [];
  for (const state of STATES) {
    const made = state === 'pending' || state === 'held' ? state : 'sending';
    const messageKey = await given.accepted(application.key, keys, { state: made, fence });
    messageKeys.push(messageKey);
    const lease = given.lease(messageKey, endpointKey, fence);
    const ended =
      state === 'succeeded'
        ? ({ state } as const)
        : state === 'failed'
          ? ({ state, reason: 'final_status' } as const)
          : null;
    if (ended !== null) await given.store.deliveryRecord({ results: [given.result(lease, ended)], now: NOW });
    const cancel = { deliveries: [{ messageKey, endpointKey }], reason: 'cancelled', now: NOW } as const;
    if (state === 'cancelled') await given.store.deliveryCancel(cancel);
  }
  return {
    /** The states of those that were sent again. */
    async replay(filter: NewTask['filter']): Promise<string[]> {
      const before = await given.store.deliveryFind({ endpointKey, messageKeys });
      const place = { applicationKey: application.key, sourceKey: endpointKey, targetKey: endpointKey };
      await new Tasks(given).run({ ...place, kind: 'replay', filter, now: NOW + 1 });
      const after = await given.store.deliveryFind({ endpointKey, messageKeys });
      const changed = after.filter((row, index) => row.nextAttemptAt !== before[index]?.nextAttemptAt);
      return changed.map(({ messageKey }) => STATES[messageKeys.indexOf(messageKey)] as string);
    },
  };
}
