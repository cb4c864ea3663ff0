import { expect } from 'vitest';
import { type ContractTest, NOW } from './world.ts';

export function endpointContract(test: ContractTest): void {
  test('come back as they were put in', async (given) => {
    const application = await given.application();
    const params = given.newEndpoint(application.key, {
      uid: 'main',
      url: 'HTTPS://Example.com/Hook#x',
      href: 'https://example.com/Hook',
      description: 'Line one\nline "two" 🦊',
      disabled: true,
      disabledReason: 'gone',
      disabledAt: NOW + 3,
      pausedAt: NOW + 4,
      eventTypes: ['ticket.created', 'ticket.*'],
      channels: [],
      throttleRate: 7,
      maxInFlight: 256,
      ordering: 'key',
      retrySchedule: { delaysMs: [100, 5_000], jitter: 0.25 },
      finalStatuses: [400, 422],
      version: 65_535,
      metadata: { team: 'blue' },
      sealedHeaders: Buffer.from([1, 0, 254]),
      sealedSecret: Buffer.from([0, 255, 1, 0]),
      secretExpiries: [NOW + 2, NOW + 1],
    });
    const inserted = await given.store.endpointInsert({ ...params, limit: 1 });
    if (typeof inserted === 'string') throw new Error(inserted);
    const { now, ...fields } = params;
    const made = { key: inserted.key, webHookId: '1_20260101000000', createdAt: now, updatedAt: now };
    expect(inserted).toEqual({ ...fields, ...made });
    expect(await given.store.endpointFindByKey({ endpointKey: inserted.key })).toEqual(inserted);
    expect(await given.store.endpointList({ applicationKey: application.key })).toEqual([inserted]);
  });

  test('are listed oldest first, each company its own', async (given) => {
    const { application, keys } = await given.company(3);
    const other = await given.company(1);
    const list = (applicationKey: number) => given.store.endpointList({ applicationKey });
    expect((await list(application.key)).map(({ key }) => key)).toEqual(keys);
    expect((await list(other.application.key)).map(({ key }) => key)).toEqual(other.keys);
    expect(await list(99)).toEqual([]);
  });

  test('are limited in number while they live', async (given) => {
    const { application, keys } = await given.company(2);
    await given.company(3);
    const insert = () => given.store.endpointInsert({ ...given.newEndpoint(application.key), limit: 2 });
    expect(await insert()).toBe('limit');
    await given.store.endpointDelete({ applicationKey: application.key, endpointKey: keys[0], now: NOW });
    expect(await insert()).toMatchObject({ applicationKey: application.key });
    expect(await insert()).toBe('limit');
  });

  test('have uids that are unique among the live ones of a company', async (given) => {
    const one = await given.application();
    const other = await given.application();
    const first = await given.endpoint(one.key, { uid: 'main' });
    await given.endpoint(other.key, { uid: 'main' });
    const again = () =>
      given.store.endpointInsert({ ...given.newEndpoint(one.key, { uid: 'main' }), limit: 9 });
    expect(await again()).toBe('uid_taken');
    await given.store.endpointDelete({ applicationKey: one.key, endpointKey: first.key, now: NOW });
    expect(await again()).toMatchObject({ uid: 'main' });
  });

  test('have uids that are no web hook id of another live one of the company', async (given) => {
    const { key: applicationKey } = await given.application();
    const { key: otherKey } = await given.application();
    const [first, second] = [await given.endpoint(applicationKey), await given.endpoint(applicationKey)];
    const uid = first.webHookId;
    const insert = () =>
      given.store.endpointInsert({ ...given.newEndpoint(applicationKey, { uid }), limit: 9 });
    const update = (endpointKey: number) =>
      given.store.endpointUpdate({ applicationKey, endpointKey, now: NOW, changes: { uid } });
    expect([await insert(), await update(second.key)]).toEqual(['uid_taken', 'uid_taken']);
    expect((await given.endpoint(otherKey, { uid })).uid).toBe(uid);
    expect(await update(first.key)).toMatchObject({ uid, webHookId: uid });
    await given.store.endpointDelete({ applicationKey, endpointKey: first.key, now: NOW });
    expect(await update(second.key)).toMatchObject({ uid });
  });

  test('get no web hook id that is the uid of another live one of the company', async (given) => {
    const { key } = await given.application();
    const { key: otherKey } = await given.application();
    await given.endpoint(otherKey, { uid: '1_20260101000000' });
    for (const second of ['0', '1', '3', '4']) await given.endpoint(key, { uid: `1_2026010100000${second}` });
    const made = await given.endpoint(key);
    const listed = await given.store.endpointList({ applicationKey: key });
    const ids = listed.map(({ webHookId }) => webHookId);
    expect(new Set(ids).size).toBe(5);
    const uids = listed.filter(({ uid, webHookId }) => uid !== webHookId).map(({ uid }) => uid);
    expect(uids.filter((uid) => uid !== null && ids.includes(uid))).toEqual([]);
    expect(made.webHookId > '1_20260101000004').toBe(true);
  });

  test('change only in what is named', async (given) => {
    const { application, keys } = await given.company(2);
    const [endpointKey] = keys;
    const before = await given.store.endpointFindByKey({ endpointKey });
    const neighbour = await given.store.endpointFindByKey({ endpointKey: keys[1] as number });
    const update = (changes: object, now: number) =>
      given.store.endpointUpdate({ applicationKey: application.key, endpointKey, now, changes });
    const url = 'https://example.org/';
    expect(await update({ url, href: url }, NOW + 5)).toEqual({
      ...before,
      url,
      href: url,
      updatedAt: NOW + 5,
    });
    const changes = {
      uid: 'u',
      description: 'd',
      disabled: true,
      disabledReason: 'manual' as const,
      disabledAt: NOW + 6,
      pausedAt: NOW + 5,
      eventTypes: ['a'],
      channels: ['b'],
      throttleRate: 3,
      maxInFlight: 1,
      ordering: 'endpoint' as const,
      retrySchedule: { preset: 'help-desk' as const },
      finalStatuses: [501],
      version: 2,
      metadata: { c: 'd' },
      sealedHeaders: Buffer.from('e'),
      sealedSecret: Buffer.from('other'),
      secretExpiries: [NOW + 9],
    };
    const expected = { ...before, url, href: url, ...changes, updatedAt: NOW + 6 };
    expect(await update(changes, NOW + 6)).toEqual(expected);
    const open = { uid: null, eventTypes: null, channels: null, throttleRate: null };
    const enabled = { disabledReason: null, disabledAt: null, pausedAt: null, disabled: false };
    const usual = { retrySchedule: null, finalStatuses: [], ordering: 'none' };
    const cleared = { ...open, ...enabled, ...usual, sealedHeaders: null, secretExpiries: [] };
    expect(await update(cleared, NOW + 7)).toEqual({ ...expected, ...cleared, updatedAt: NOW + 7 });
    const found = await given.store.endpointFindByKey({ endpointKey });
    expect(found).toEqual({ ...expected, ...cleared, updatedAt: NOW + 7 });
    expect(await given.store.endpointFindByKey({ endpointKey: neighbour?.key as number })).toEqual(neighbour);
  });

  test('begin a task with a change, whatever runs already', async (given) => {
    const { application, keys } = await given.company();
    const place = { applicationKey: application.key, sourceKey: keys[0], targetKey: keys[0] };
    const params = { id: given.id('qtask'), kind: 'release', filter: {}, from: 'msg_', to: 'msg_~' } as const;
    const task = { ...place, ...params, rate: 100, now: NOW + 1 };
    const update = (endpointKey: number) =>
      given.store.endpointUpdate({
        ...{ applicationKey: application.key, endpointKey, now: NOW, task },
        changes: { pausedAt: null },
      });
    expect(await update(99)).toBeNull();
    expect(await given.store.taskFind({ id: task.id })).toBeNull();
    expect(await update(keys[0])).toMatchObject({ pausedAt: null });
    const begun = { id: task.id, kind: 'release', state: 'running', createdAt: NOW + 1 };
    expect(await given.store.taskListRunning()).toMatchObject([begun]);
  });

  test('let a task that runs already begin anew, rather than one like it with each change', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const deliveries = [{ endpointKey, state: 'held', reason: 'endpoint_paused', orderKey: null } as const];
    const messages = [1, 2, 3].map(() => given.message({ deliveries }));
    const publishes = [given.publish(application.key, ...messages)];
    await given.accept({ publishes, fence: given.fence(), now: NOW });
    const filter = { heldFor: 'endpoint_paused' } as const;
    const range = { kind: 'release', filter, from: 'msg_', to: 'msg_~' } as const;
    const place = { applicationKey: application.key, sourceKey: endpointKey, targetKey: endpointKey };
    const like = (fields: object = {}) => ({
      ...{ ...place, ...range, id: given.id('qtask'), rate: 100, now: NOW, ...fields },
    });
    const update = (task: ReturnType<typeof like>) =>
      given.store.endpointUpdate({ ...place, endpointKey, now: NOW, changes: { pausedAt: null }, task });
    const first = like();
    await update(first);
    await given.store.taskStep({ id: first.id, now: NOW, scan: 2, most: 9 });
    expect(await given.store.taskFind({ id: first.id })).toMatchObject({ position: messages[2]?.id });
    await update(like({ now: NOW + 5 }));
    const again = { id: first.id, position: 'msg_', scanned: 2, createdAt: NOW, updatedAt: NOW + 5 };
    expect(await given.store.taskListRunning()).toMatchObject([again]);
    // By a request as well, whatever the limits.
    const none = { limit: 0, applicationLimit: 0 };
    expect(await given.store.taskInsert({ ...like(), ...none })).toMatchObject({ id: first.id });
    expect(await given.store.taskInsert({ ...like({ filter: {} }), ...none })).toBe('limit');
    for (const other of [{ filter: {} }, { rate: 5 }, { to: 'msg_5' }]) await update(like(other));
    expect(await given.store.taskListRunning()).toHaveLength(4);
    await given.store.taskCancel({ id: first.id, now: NOW });
    await update(like());
    expect(await given.store.taskListRunning()).toHaveLength(4);
  });

  test('stay as they are where a change is undefined', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const before = await given.store.endpointFindByKey({ endpointKey });
    const changes = { url: undefined, eventTypes: undefined, metadata: undefined, description: 'new' };
    const after = await given.store.endpointUpdate({
      applicationKey: application.key,
      endpointKey,
      now: NOW,
      changes,
    });
    expect(after).toEqual({ ...before, description: 'new' });
  });

  test('do not change when the new uid is taken', async (given) => {
    const { application, keys } = await given.company();
    await given.endpoint(application.key, { uid: 'taken' });
    const [endpointKey] = keys;
    const changes = { uid: 'taken', description: 'new' };
    const update = given.store.endpointUpdate({
      applicationKey: application.key,
      endpointKey,
      now: NOW,
      changes,
    });
    expect(await update).toBe('uid_taken');
    expect(await given.store.endpointFindByKey({ endpointKey })).toMatchObject({
      uid: null,
      description: '',
    });
  });

  test('keep the uid that they have when it is named again', async (given) => {
    const application = await given.application();
    const { key: endpointKey } = await given.endpoint(application.key, { uid: 'main' });
    const place = { applicationKey: application.key, endpointKey };
    const changes = { uid: 'main', description: 'new' };
    expect(await given.store.endpointUpdate({ ...place, now: NOW, changes })).toMatchObject(changes);
  });

  test('are found no more once deleted, and are deleted once', async (given) => {
    const { application, keys } = await given.company(2);
    const [endpointKey, kept] = keys;
    const key = { applicationKey: application.key, endpointKey, now: NOW };
    expect(await given.store.endpointDelete(key)).toBe(true);
    expect(await given.store.endpointDelete(key)).toBe(false);
    expect(await given.store.endpointUpdate({ ...key, changes: { description: 'x' } })).toBeNull();
    expect(await given.store.endpointFindByKey({ endpointKey })).toBeNull();
    await given.reopen();
    const listed = await given.store.endpointList({ applicationKey: application.key });
    expect(listed.map((each) => each.key)).toEqual([kept]);
    expect((await given.endpoint(application.key)).key).not.toBe(endpointKey);
  });

  test('are not changed or deleted with the key of another application', async (given) => {
    const { keys } = await given.company();
    const other = await given.application();
    const [endpointKey] = keys;
    const before = await given.store.endpointFindByKey({ endpointKey });
    const foreign = { applicationKey: other.key, endpointKey, now: NOW + 1 };
    expect(
      await given.store.endpointUpdate({ ...foreign, changes: { url: 'https://evil.example/' } }),
    ).toBeNull();
    expect(await given.store.endpointDelete(foreign)).toBe(false);
    expect(await given.store.endpointFindByKey({ endpointKey })).toEqual(before);
  });
}
