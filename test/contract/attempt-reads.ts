import { expect } from 'vitest';
import { ALL, type ContractTest, claimDue, type Given, NOW } from './world.ts';

export function attemptReadContract(test: ContractTest): void {
  single(test);
  latest(test);
  expunging(test);
}

function single(test: ContractTest): void {
  test('are found by message and id', async (given) => {
    const one = await recorded(given, [200, 500]);
    const other = await recorded(given, [200]);
    const { rows } = await given.store.attemptList({ ...given.ref(one.messageKey), ...ALL });
    for (const row of rows) {
      expect(await given.store.attemptFind({ ...given.ref(one.messageKey), id: row.id })).toEqual(row);
      expect(await given.store.attemptFind({ ...given.ref(other.messageKey), id: row.id })).toBeNull();
    }
    expect(await given.store.attemptFind({ ...given.ref(one.messageKey), id: 'atmpt_unknown' })).toBeNull();
  });
}

function latest(test: ContractTest): void {
  test('of a message are found by endpoint, the newest of each, some rows at a time', async (given) => {
    const { application, keys } = await given.company(3);
    const messageKey = await given.accepted(application.key, keys);
    for (let round = 0; round < 2; round++) {
      for (const endpointKey of keys.slice(0, 2)) {
        const fence = given.fence();
        const due = { endpointKey, dueBy: NOW + 1e6, limit: 9, fence };
        const { claimed } = await claimDue(given.store, due);
        const again = { state: 'pending', nextAttemptAt: NOW } as const;
        const results = claimed.map((lease) => given.result(lease, again));
        await given.store.deliveryRecord({ results, now: NOW });
      }
    }
    const all = (await given.store.attemptList({ ...given.ref(messageKey), ...ALL })).rows;
    expect(all).toHaveLength(4);
    const newest = keys.slice(0, 2).map((key) => all.find(({ endpointKey }) => endpointKey === key));
    const look = (endpointKeys: readonly number[], scan: number, before: string | null = null) =>
      given.store.attemptLatest({ ...given.ref(messageKey), endpointKeys, before, scan });
    expect(await look(keys, 9)).toEqual({ rows: newest.toReversed(), scannedTo: null });
    expect(await look([keys[1] as number], 9)).toEqual({ rows: [newest[1]], scannedTo: null });
    const first = await look(keys, 1);
    expect(first).toEqual({ rows: [all[0]], scannedTo: all[0]?.id });
    expect((await look(keys, 9, first.scannedTo)).rows[0]).toEqual(all[1]);
    expect(await look([], 9)).toEqual({ rows: [], scannedTo: null });
  });
}

function expunging(test: ContractTest): void {
  test('lose what came back when it is expunged, and nothing else', async (given) => {
    const { messageKey, ids } = await recorded(given, [200, 500]);
    const [id, kept] = ids as [string, string];
    const find = (which: string) => given.store.attemptFind({ ...given.ref(messageKey), id: which });
    const before = await find(id);
    const untouched = await find(kept);
    expect(await given.store.attemptExpunge({ ...given.ref(messageKey), id })).toBe(true);
    await given.reopen();
    const gone = { body: 'EXPUNGED', responseHeaders: '', retryAfter: null };
    expect(await find(id)).toEqual({ ...before, exchange: { ...before?.exchange, ...gone } });
    expect(await find(kept)).toEqual(untouched);
    expect(await given.store.attemptExpunge({ ...given.ref(messageKey), id })).toBe(true);
  });

  test('are not expunged through another message', async (given) => {
    const one = await recorded(given, [200]);
    const other = await recorded(given, [200]);
    const id = one.ids[0] as string;
    expect(await given.store.attemptExpunge({ ...given.ref(other.messageKey), id })).toBe(false);
    expect(await given.store.attemptExpunge({ ...given.ref(one.messageKey), id: 'atmpt_unknown' })).toBe(
      false,
    );
    const found = await given.store.attemptFind({ ...given.ref(one.messageKey), id });
    expect(found?.exchange.body).toBe('answered');
  });
}

/** Attempts of one delivery with these statuses. */
async function recorded(given: Given, statuses: readonly (number | null)[]) {
  const { application, keys } = await given.company();
  const [endpointKey] = keys;
  const messageKey = await given.accepted(application.key, keys);
  const results = statuses.map((status) => {
    const result = given.result(given.lease(messageKey, endpointKey, 1), { state: 'succeeded' });
    const answer = { status, body: 'answered', responseHeaders: 'x\ny', retryAfter: '7' };
    const exchange = { ...result.attempt.exchange, ...answer, startedAt: NOW };
    return { ...result, attempt: { ...result.attempt, exchange } };
  });
  await given.store.deliveryRecord({ results, now: NOW });
  return { messageKey, endpointKey, ids: results.map(({ attempt }) => attempt.id) };
}
