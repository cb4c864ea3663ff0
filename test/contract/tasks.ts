import { expect } from 'vitest';
import type { NewTask, Task } from '../../src/model/task.ts';
import { filled, type Place, Tasks } from './task-world.ts';
import { type ContractTest, NOW } from './world.ts';

export function taskContract(test: ContractTest): void {
  limits(test);
  steps(test);
  lists(test);
  ends(test);
}

function limits(test: ContractTest): void {
  test('begin up to a limit that run for an endpoint', async (given) => {
    const { place, keys } = await filled(given, 1);
    const tasks = new Tasks(given, { limit: 2 });
    const first = await tasks.begin(place);
    await tasks.begin(place);
    await expect(tasks.begin(place)).rejects.toThrow('limit');
    // What is sent to another endpoint is a task of the one that it comes from.
    await expect(tasks.begin({ ...place, targetKey: keys[1] })).rejects.toThrow('limit');
    await tasks.begin({ ...place, sourceKey: keys[1], targetKey: keys[0] });
    await tasks.step(first.id);
    await tasks.begin(place);
  });

  test('begin up to a limit that run for an application, whatever others have', async (given) => {
    const { place, keys } = await filled(given, 1);
    const tasks = new Tasks(given, { applicationLimit: 2 });
    const other: Place = { ...place, sourceKey: keys[1], targetKey: keys[1] };
    const first = await tasks.begin(place);
    const second = await tasks.begin(other);
    await expect(tasks.begin(other)).rejects.toThrow('application_limit');
    await tasks.begin((await filled(given, 1)).place);
    await tasks.step(first.id);
    await tasks.begin(place);
    await expect(tasks.begin(place)).rejects.toThrow('application_limit');
    await given.store.taskCancel({ id: second.id, now: NOW });
    await tasks.begin(place);
  });
}

function steps(test: ContractTest): void {
  test('go so many messages at a time, and on after reopening', async (given) => {
    const { place, messages } = await filled(given, 9);
    const tasks = new Tasks(given);
    for (const scan of [1, 4, 9, 10]) {
      const { id } = await tasks.begin(place);
      const seen: Task[] = [];
      while (seen.at(-1)?.state !== 'finished') {
        await given.reopen();
        seen.push(await tasks.step(id, { scan }));
      }
      expect(seen).toHaveLength(Math.ceil(messages.length / scan));
      expect(seen.at(-1)).toMatchObject({ scanned: 9, affected: 6 });
      for (const [index, { scanned, position }] of seen.entries()) {
        expect(scanned).toBe(Math.min((index + 1) * scan, 9));
        expect(position).toBe(messages[scanned]?.id ?? 'msg_~');
      }
      await tasks.failAll(place.targetKey);
    }
  });

  test('let go so many deliveries at a time', async (given) => {
    const { place, messages } = await filled(given, 9);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin(place);
    const first = await tasks.step(id, { most: 2 });
    expect(first).toMatchObject({ affected: 2, state: 'running', scanned: 2, position: messages[2]?.id });
    expect(await tasks.step(id, { most: 2 })).toMatchObject({ affected: 4, scanned: 5, state: 'running' });
    expect(await tasks.step(id, { most: 3 })).toMatchObject({ affected: 6, scanned: 9, state: 'finished' });
  });

  test('let go what they find by their rate, and say from when on something is due', async (given) => {
    const { place, messages, keys } = await filled(given, 9);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin({ ...place, rate: 4 });
    const stepped = await given.store.taskStep({ id, now: NOW + 5, scan: 100, most: 4 });
    expect(stepped).toMatchObject({ dropped: [], stored: [{ endpointKey: keys[0], dueAt: NOW + 5 }] });
    const times = [];
    for (const { messageKey } of messages) {
      times.push((await given.deliveryOf({ messageKey, endpointKey: keys[0] })).nextAttemptAt);
    }
    const due = [5, 255, null, 505, 755, null, null, null, null];
    expect(times).toEqual(due.map((after) => (after === null ? null : NOW + after)));
  });

  test('are finished at once over a range without messages', async (given) => {
    const { place, messages } = await filled(given, 2);
    const tasks = new Tasks(given);
    const [first, last] = [messages[0]?.id as string, messages[1]?.id as string];
    for (const [from, to] of [
      [first, first],
      [last, first],
      ['msg_zzz', 'msg_zzzz'],
    ] as const) {
      const { id } = await tasks.begin({ ...place, from, to });
      expect(await tasks.step(id)).toMatchObject({ affected: 0, scanned: 0, state: 'finished' });
    }
  });
}

function lists(test: ContractTest): void {
  test('come back as they were begun, and change as they go on', async (given) => {
    const { place } = await filled(given, 1);
    const filter = { eventTypes: ['ticket.*'], channels: ['x'], tag: 't', states: ['failed'] as const };
    const params: NewTask = {
      ...{ ...place, id: given.id('qtask'), kind: 'replay', filter: { ...filter, statusClass: 500 } },
      ...{ from: 'msg_0', to: 'msg_1', rate: 7, now: NOW + 3 },
    };
    const { now, ...fields } = params;
    const begun = await given.store.taskInsert({ ...params, limit: 1, applicationLimit: 1 });
    const nothing = { state: 'running', scanned: 0, affected: 0, position: 'msg_0' };
    expect(begun).toEqual({ ...fields, ...nothing, createdAt: now, updatedAt: now });
    expect(await given.store.taskFind({ id: params.id })).toEqual(begun);
    expect(await given.store.taskFind({ id: 'qtask_unknown' })).toBeNull();
    const stepped = await new Tasks(given).step(params.id, { now: NOW + 9 });
    const moved = { scanned: 1, position: 'msg_1', state: 'finished', updatedAt: NOW + 9 };
    expect(stepped).toEqual({ ...(begun as Task), ...moved });
    await given.reopen();
    expect(await given.store.taskFind({ id: params.id })).toEqual(stepped);
  });

  test('are listed by id, of one application or of all, between exclusive bounds', async (given) => {
    const one = await filled(given, 1);
    const other = await filled(given, 1);
    const tasks = new Tasks(given);
    const kinds = ['recover', 'replay', 'release', 'recover', 'discard'] as const;
    const ids: string[] = [];
    for (const [index, kind] of kinds.entries()) {
      const { place } = index === 3 ? other : one;
      ids.push((await tasks.begin({ ...place, kind })).id);
    }
    await tasks.step(ids[0] as string);
    const list = async (fields: Partial<Parameters<typeof given.store.taskList>[0]> = {}) => {
      const page = { applicationKey: null, limit: 9, before: null, after: null, fromEnd: false };
      return (await given.store.taskList({ ...page, ...fields })).map(({ id }) => ids.indexOf(id));
    };
    const at = (index: number) => ids[index] as string;
    expect(await list()).toEqual([0, 1, 2, 3, 4]);
    expect(await list({ applicationKey: one.place.applicationKey })).toEqual([0, 1, 2, 4]);
    expect(await list({ applicationKey: 99 })).toEqual([]);
    expect(await list({ limit: 2 })).toEqual([0, 1]);
    expect(await list({ limit: 2, fromEnd: true })).toEqual([3, 4]);
    for (const fromEnd of [false, true]) {
      expect(await list({ limit: 2, after: at(1), fromEnd })).toEqual([2, 3]);
      expect(await list({ limit: 2, before: at(3), fromEnd })).toEqual([1, 2]);
    }
    expect(await list({ limit: 2, after: at(0), before: at(4) })).toEqual([1, 2]);
    expect(await list({ limit: 2, after: at(0), before: at(4), fromEnd: true })).toEqual([2, 3]);
    expect(await list({ kinds: ['recover', 'discard'] })).toEqual([0, 3, 4]);
    expect(await list({ states: ['finished'] })).toEqual([0]);
    expect(await list({ states: ['running'], kinds: ['recover'] })).toEqual([3]);
    expect(await list({ states: [] })).toEqual([]);
  });

  test('are listed while they run, oldest first', async (given) => {
    const { place } = await filled(given, 2);
    const tasks = new Tasks(given);
    const second = await tasks.begin({ ...place, now: NOW + 2 });
    const first = await tasks.begin({ ...place, now: NOW + 1 });
    expect(await given.store.taskListRunning()).toEqual([first, second]);
    expect(await tasks.step(first.id, { scan: 1 })).toMatchObject({ state: 'running' });
    await given.reopen();
    const ids = async () => (await given.store.taskListRunning()).map(({ id }) => id);
    expect(await ids()).toEqual([first.id, second.id]);
    await tasks.step(first.id, { scan: 1 });
    expect(await ids()).toEqual([second.id]);
    await given.store.taskCancel({ id: second.id, now: NOW });
    expect(await ids()).toEqual([]);
  });
}

function ends(test: ContractTest): void {
  test('do nothing more when they have ended', async (given) => {
    const { place } = await filled(given, 2);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin(place);
    await tasks.step(id);
    const params = { now: NOW, scan: 9, most: 9 };
    expect(await given.store.taskStep({ id, ...params })).toBeNull();
    expect(await given.store.taskStep({ id: 'qtask_unknown', ...params })).toBeNull();
    expect(await given.store.taskCancel({ id, now: NOW })).toBeNull();
    expect(await given.store.taskCancel({ id: 'qtask_unknown', now: NOW })).toBeNull();
  });

  test('are cancelled, and what they let go so far stays so', async (given) => {
    const { place } = await filled(given, 9);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin(place);
    const stepped = await tasks.step(id, { scan: 3 });
    const cancelled = await given.store.taskCancel({ id, now: NOW + 7 });
    expect(cancelled).toEqual({ ...stepped, state: 'cancelled', updatedAt: NOW + 7 });
    expect(await given.store.taskStep({ id, now: NOW, scan: 9, most: 9 })).toBeNull();
    const { pending } = await given.store.deliveryCountOpen({ endpointKey: place.targetKey });
    expect(pending).toBe(2);
  });

  test('fail when the source or the target was deleted', async (given) => {
    const { place, keys } = await filled(given, 9);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin(place);
    const across = await tasks.begin({ ...place, kind: 'replay', targetKey: keys[1] });
    const back = await tasks.begin({ ...place, kind: 'replay', sourceKey: keys[1] });
    await tasks.step(id, { scan: 3 });
    // Disabled or not.
    await tasks.update(place, { disabled: true });
    await tasks.remove(place);
    for (const each of [id, across.id, back.id]) {
      expect(await tasks.step(each, { scan: 3 })).toMatchObject({ state: 'failed' });
    }
    expect(await given.store.taskFind({ id })).toMatchObject({ affected: 2, scanned: 3 });
    expect(await given.store.deliveryCountOpen({ endpointKey: keys[0] })).toMatchObject({ pending: 2 });
    expect(await given.store.taskListRunning()).toEqual([]);
  });

  test('wait while the target takes nothing, over reopening, and go on when it does', async (given) => {
    const { place } = await filled(given, 9);
    const tasks = new Tasks(given);
    const { id } = await tasks.begin(place);
    const begun = await tasks.step(id, { scan: 3 });
    for (const [changes, waits] of [
      [{ disabled: true, pausedAt: NOW }, 'endpoint_disabled'],
      [{ disabled: false, pausedAt: NOW }, 'endpoint_paused'],
    ] as const) {
      await tasks.update(place, changes);
      expect(await given.store.taskStep({ id, now: NOW + 9, scan: 3, most: 9 })).toEqual({ waits });
      await given.reopen();
    }
    expect(await given.store.taskListRunning()).toEqual([begun]);
    await tasks.update(place, { pausedAt: null });
    expect(await tasks.step(id, { scan: 3 })).toMatchObject({ affected: 4, state: 'running' });
    expect(await tasks.step(id, { scan: 3 })).toMatchObject({ affected: 6, state: 'finished' });
  });

  test('are deleted some time after they ended, some at a time, and no others', async (given) => {
    const { place } = await filled(given, 2);
    const tasks = new Tasks(given);
    const running = await tasks.begin(place);
    for (const now of [NOW + 3, NOW + 1]) await tasks.step((await tasks.begin(place)).id, { now });
    await given.store.taskCancel({ id: (await tasks.begin(place)).id, now: NOW + 2 });
    const purge = (before: number, limit = 9) => given.store.taskPurge({ before, limit });
    expect(await purge(NOW + 1)).toBe(0);
    expect(await purge(NOW + 3, 1)).toBe(1);
    expect(await purge(NOW + 3)).toBe(1);
    expect(await purge(NOW + 9)).toBe(1);
    expect(await purge(NOW + 9)).toBe(0);
    const all = { applicationKey: null, limit: 9, before: null, after: null, fromEnd: false };
    expect(await given.store.taskList(all)).toEqual([running]);
  });
}
