import { expect } from 'vitest';
import type { Recovery } from '../../src/store/store.ts';
import { type ContractTest, claimDue, type Given, NOW } from './world.ts';

export function recoveryContract(test: ContractTest): void {
  steps(test);
  ends(test);
}

function steps(test: ContractTest): void {
  test('begins no more for an endpoint than may be unfinished', async (given) => {
    const { application, keys } = await filled(given, 1);
    const [first] = await Promise.all([
      begin(given, application.key, keys[0]),
      begin(given, application.key, keys[0]),
    ]);
    await expect(begin(given, application.key, keys[0])).rejects.toThrow('limit');
    await begin(given, application.key, keys[1]);
    await step(given, first.id);
    await begin(given, application.key, keys[0]);
  });

  test('begins no more for an application than may be unfinished, whatever others have', async (given) => {
    const { application, keys } = await filled(given, 1);
    const third = (await given.endpoint(application.key)).key;
    const [first] = [
      await begin(given, application.key, keys[0]),
      await begin(given, application.key, keys[1]),
    ];
    await begin(given, application.key, keys[1]);
    await expect(begin(given, application.key, third)).rejects.toThrow('application_limit');
    const other = await filled(given, 1);
    await begin(given, other.application.key, other.keys[0]);
    await step(given, first.id);
    await begin(given, application.key, third);
  });

  test('brings back what failed or is held within its range, due at once and with all its tries', async (given) => {
    const { application, keys, messages } = await filled(given, 9);
    const [endpointKey, other] = keys;
    const recovery = await begin(given, application.key, endpointKey, messages[2]?.id, messages[8]?.id);
    expect(recovery).toMatchObject({ endpointKey, recovered: 0, finished: false, updatedAt: NOW });
    const stepped = await step(given, recovery.id, 100, NOW + 5);
    expect(stepped).toEqual({ ...recovery, recovered: 4, finished: true, updatedAt: NOW + 5 });
    for (const [index, { messageKey, state }] of messages.entries()) {
      const row = await given.deliveryOf({ messageKey, endpointKey });
      const back = index >= 2 && index < 8 && ['failed', 'held'].includes(state);
      const expected = back
        ? { state: 'pending', attemptCount: 0, nextAttemptAt: NOW + 5, reason: null }
        : { state };
      expect([index, row]).toMatchObject([index, expected]);
      // The others' are not touched.
      expect(await given.deliveryOf({ messageKey, endpointKey: other })).toMatchObject({ state: 'failed' });
    }
    const params = { endpointKey, dueBy: NOW + 5, limit: 9, fence: given.fence() };
    expect((await claimDue(given.store, params)).claimed).toHaveLength(4);
  });

  test('goes so many messages at a time, and on after reopening', async (given) => {
    const { application, keys, messages } = await filled(given, 9);
    for (const scan of [1, 4, 9, 10]) {
      const { id } = await begin(given, application.key, keys[0]);
      const seen: number[] = [];
      for (let stepped: Recovery | null = null; stepped?.finished !== true; ) {
        await given.reopen();
        stepped = await step(given, id, scan);
        seen.push(stepped?.recovered as number);
      }
      expect(seen).toHaveLength(Math.ceil(messages.length / scan));
      expect(seen.at(-1)).toBe(6);
      // Each brings back at most what it looked at.
      for (const [index, count] of seen.entries())
        expect(count - (seen[index - 1] ?? 0)).toBeLessThanOrEqual(scan);
      await failAgain(given, keys[0]);
    }
  });

  test('leaves what has no payload any more', async (given) => {
    const { application, keys, messages } = await filled(given, 3);
    const { messageKey } = messages[0] as (typeof messages)[number];
    await given.store.messageExpunge({ messageKeys: [messageKey] });
    const before = await given.deliveryOf({ messageKey, endpointKey: keys[0] });
    const { id } = await begin(given, application.key, keys[0]);
    expect(await step(given, id)).toMatchObject({ recovered: 1, finished: true });
    expect(await given.deliveryOf({ messageKey, endpointKey: keys[0] })).toEqual(before);
  });

  test('touches no messages of other applications', async (given) => {
    const one = await filled(given, 3);
    const other = await filled(given, 3);
    const { id } = await begin(given, one.application.key, one.keys[0]);
    expect(await step(given, id)).toMatchObject({ recovered: 2, finished: true });
    for (const { messageKey, state } of other.messages) {
      const row = await given.deliveryOf({ messageKey, endpointKey: other.keys[0] });
      expect(row).toMatchObject({ state });
    }
  });
}

function ends(test: ContractTest): void {
  test('are listed until they are finished, oldest first', async (given) => {
    const { application, keys } = await filled(given, 2);
    const second = await begin(given, application.key, keys[0], undefined, undefined, NOW + 2);
    const first = await begin(given, application.key, keys[1], undefined, undefined, NOW + 1);
    expect(await given.store.recoveryList()).toEqual([first, second]);
    expect(await step(given, first.id, 1)).toMatchObject({ finished: false });
    await given.reopen();
    const ids = async () => (await given.store.recoveryList()).map(({ id }) => id);
    expect(await ids()).toEqual([first.id, second.id]);
    expect(await step(given, first.id, 1)).toMatchObject({ finished: true });
    expect(await ids()).toEqual([second.id]);
    expect(await step(given, first.id)).toBeNull();
    expect(await step(given, 'qtask_unknown')).toBeNull();
  });

  test('are finished at once over a range without messages', async (given) => {
    const { application, keys, messages } = await filled(given, 2);
    const [first, last] = [messages[0]?.id, messages[1]?.id];
    for (const [from, to] of [
      [first, first],
      [last, first],
      ['msg_zzz', 'msg_zzzz'],
    ]) {
      const { id } = await begin(given, application.key, keys[0], from, to);
      expect(await step(given, id)).toMatchObject({ recovered: 0, finished: true });
    }
  });

  test('are finished when the endpoint was deleted, and bring back no more', async (given) => {
    const { application, keys } = await filled(given, 9);
    const { id } = await begin(given, application.key, keys[0]);
    expect(await step(given, id, 3)).toMatchObject({ recovered: 2, finished: false });
    const place = { applicationKey: application.key, endpointKey: keys[0], now: NOW };
    // Disabled or not.
    await given.store.endpointUpdate({ ...place, changes: { disabled: true } });
    await given.store.endpointDelete(place);
    expect(await step(given, id, 3)).toMatchObject({ recovered: 2, finished: true });
    const { pending } = await given.store.deliveryCountOpen({ endpointKey: keys[0] });
    expect(pending).toBe(2);
    expect(await given.store.recoveryList()).toEqual([]);
  });

  test('wait while the endpoint is disabled, over reopening, and go on when it is enabled', async (given) => {
    const { application, keys } = await filled(given, 9);
    const { id } = await begin(given, application.key, keys[0]);
    const begun = await step(given, id, 3);
    const place = { applicationKey: application.key, endpointKey: keys[0], now: NOW };
    await given.store.endpointUpdate({ ...place, changes: { disabled: true } });
    for (let count = 0; count < 2; count++) {
      expect(await given.store.recoveryStep({ id, now: NOW + 9, scan: 3 })).toBe('waits');
      await given.reopen();
    }
    expect(await given.store.recoveryList()).toEqual([begun]);
    await given.store.endpointUpdate({ ...place, changes: { disabled: false } });
    expect(await step(given, id, 3)).toMatchObject({ recovered: 4, finished: false });
    expect(await step(given, id, 3)).toMatchObject({ recovered: 6, finished: true });
  });

  test('are deleted some time after they finished, some at a time, and no others', async (given) => {
    const { application, keys } = await filled(given, 2);
    const open = await begin(given, application.key, keys[1]);
    for (const now of [NOW + 3, NOW + 1, NOW + 2]) {
      const { id } = await begin(given, application.key, keys[0]);
      expect(await step(given, id, 100, now)).toMatchObject({ finished: true });
    }
    const purge = (before: number, limit = 9) => given.store.recoveryPurge({ before, limit });
    expect(await purge(NOW + 1)).toBe(0);
    expect(await purge(NOW + 3, 1)).toBe(1);
    expect(await purge(NOW + 3)).toBe(1);
    expect(await purge(NOW + 9)).toBe(1);
    expect(await purge(NOW + 9)).toBe(0);
    expect(await given.store.recoveryList()).toEqual([open]);
  });
}

/** Messages whose deliveries to the first endpoint are by turns failed, held and succeeded, and all failed to the second. */
async function filled(given: Given, count: number) {
  const { application, keys } = await given.company(2);
  const [endpointKey, other] = keys as unknown as [number, number];
  const messages: { id: string; messageKey: number; state: 'failed' | 'held' | 'succeeded' }[] = [];
  for (let n = 0; n < count; n++) {
    const state = (['failed', 'held', 'succeeded'] as const)[n % 3] as 'failed' | 'held' | 'succeeded';
    const first = { endpointKey, state: state === 'held' ? ('held' as const) : ('sending' as const) };
    const deliveries = [first, { endpointKey: other, state: 'sending' as const }];
    const message = given.message({ deliveries });
    const fence = given.fence();
    const publishes = [given.publish(application.key, message)];
    const [accepted] = await given.store.messageAccept({ publishes, fence, now: NOW });
    const messageKey = (accepted?.kind === 'accepted' && accepted.messageKeys[0]) as number;
    const failed = { state: 'failed', reason: 'retries_exhausted' } as const;
    const results = [given.result(given.lease(messageKey, other, fence), failed, { number: 8 })];
    if (state !== 'held') {
      const verdict = state === 'failed' ? failed : ({ state } as const);
      results.push(given.result(given.lease(messageKey, endpointKey, fence), verdict, { number: 8 }));
    }
    await given.store.deliveryRecord({ results });
    messages.push({ id: message.id, messageKey, state });
  }
  return { application, keys: [endpointKey, other] as const, messages };
}

/** Ends all that is pending for the endpoint as failed. */
async function failAgain(given: Given, endpointKey: number): Promise<void> {
  const params = { endpointKey, dueBy: NOW, limit: 100, fence: given.fence() };
  const { claimed } = await claimDue(given.store, params);
  const failed = { state: 'failed', reason: 'retries_exhausted' } as const;
  await given.store.deliveryRecord({ results: claimed.map((lease) => given.result(lease, failed)) });
}

async function begin(
  given: Given,
  applicationKey: number,
  endpointKey: number,
  from = 'msg_',
  to = 'msg_~',
  now = NOW,
): Promise<Recovery> {
  const id = given.id('qtask');
  const begun = await given.store.recoveryInsert({
    id,
    applicationKey,
    endpointKey,
    from,
    to,
    now,
    limit: 2,
    applicationLimit: 3,
  });
  if (typeof begun === 'string') throw new Error(begun);
  return begun;
}

async function step(given: Given, id: string, scan = 100, now = NOW): Promise<Recovery | null> {
  const stepped = await given.store.recoveryStep({ id, now, scan });
  if (stepped === 'waits') throw new Error('It waits.');
  return stepped;
}
