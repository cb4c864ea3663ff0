import { expect } from 'vitest';
import type {
  AttemptAnnouncementType,
  EndpointAnnouncementType,
  NewEndpointAnnouncement,
} from '../../src/model/announcement.ts';
import type { Verdict } from '../../src/model/delivery.ts';
import type { AttemptResult, EndpointFailingChange } from '../../src/store/store.ts';
import { ALL, type ContractTest, claimDue, type Given, NOW } from './world.ts';

const LATER: Verdict = { state: 'pending', nextAttemptAt: NOW };
const DONE: Verdict = { state: 'succeeded' };

export function announcementContract(test: ContractTest): void {
  ofEndpoints(test);
  ofAttempts(test);
  ofFailing(test);
}

function ofEndpoints(test: ContractTest): void {
  test('are stored with the change of an endpoint, listed oldest first, and deleted', async (given) => {
    const { key: applicationKey } = await given.application();
    const params = { ...given.newEndpoint(applicationKey), limit: 9, now: NOW };
    const made = await given.store.endpointInsert({ ...params, announcements: [said('endpoint.created')] });
    if (typeof made === 'string') throw new Error(made);
    const place = { applicationKey, endpointKey: made.key, now: NOW + 1 };
    const announcements = [said('endpoint.updated'), said('endpoint.disabled', 'manual')];
    await given.store.endpointUpdate({ ...place, changes: { disabled: true }, announcements });
    await given.reopen();
    await given.store.endpointDelete({ ...place, now: NOW + 2, announcements: [said('endpoint.deleted')] });
    const all = await given.store.announcementList({ limit: 9 });
    const of = { key: expect.any(Number), applicationKey, endpointKey: made.key };
    expect(all).toEqual([
      { ...of, ...said('endpoint.created'), createdAt: NOW },
      { ...of, ...said('endpoint.updated'), createdAt: NOW + 1 },
      { ...of, ...said('endpoint.disabled', 'manual'), createdAt: NOW + 1 },
      { ...of, ...said('endpoint.deleted'), createdAt: NOW + 2 },
    ]);
    expect(await given.store.announcementList({ limit: 1 })).toEqual(all.slice(0, 1));
    const keys = all.slice(0, 3).map(({ key }) => key);
    await given.store.announcementDelete({ keys: [...keys, 99] });
    expect(await given.store.announcementList({ limit: 9 })).toEqual(all.slice(3));
    await given.store.announcementDelete({ keys: all.map(({ key }) => key) });
    // A key is never given again: it is the id that a second publish is known by.
    await given.store.endpointInsert({
      ...given.newEndpoint(applicationKey),
      ...{ limit: 9, announcements },
    });
    const [next] = await given.store.announcementList({ limit: 1 });
    expect(next?.key).toBeGreaterThan(all.at(-1)?.key as number);
  });

  test('are not stored where there was no change', async (given) => {
    const { application, keys } = await given.company();
    const announcements = [said('endpoint.updated')];
    const place = { applicationKey: application.key, endpointKey: 99, now: NOW, announcements };
    await given.store.endpointUpdate({ ...place, changes: {} });
    await given.store.endpointDelete(place);
    await given.store.endpointInsert({ ...given.newEndpoint(application.key), limit: 1, announcements });
    await given.store.endpointDelete({ ...place, applicationKey: 99, endpointKey: keys[0] });
    expect(await given.store.announcementList({ limit: 9 })).toEqual([]);
  });
}

function ofAttempts(test: ContractTest): void {
  test('are stored with the attempt that they tell of', async (given) => {
    const { place, announced, record } = await leased(given);
    const result = await record('message.attempt.failing', LATER);
    const { messageKey, endpointKey, applicationKey } = place;
    expect(await given.store.announcementList({ limit: 9 })).toEqual([
      {
        ...{ key: expect.any(Number), applicationKey, endpointKey, messageKey, createdAt: NOW },
        ...{ type: 'message.attempt.failing', attemptId: result.attempt.id },
      },
    ]);
    expect(await announced()).toBe(true);
    await record('message.attempt.exhausted', { state: 'failed', reason: 'retries_exhausted' });
    const all = await given.store.announcementList({ limit: 9 });
    expect(all.map(({ type }) => type)).toEqual(['message.attempt.failing', 'message.attempt.exhausted']);
  });

  test('tell that a delivery recovered only when they told that it fails, and once', async (given) => {
    const first = await leased(given);
    await first.record('message.attempt.recovered', DONE);
    const second = await leased(given);
    await second.record('message.attempt.failing', LATER);
    expect(await second.announced()).toBe(true);
    await second.record('message.attempt.recovered', DONE);
    const resent = await given.resendLeased(second.place.messageKey, second.place.endpointKey);
    expect(resent.announced).toBe(false);
    const all = await given.store.announcementList({ limit: 9 });
    expect(all.map(({ type }) => type)).toEqual(['message.attempt.failing', 'message.attempt.recovered']);
  });

  test('tell of a resend that made it recover', async (given) => {
    const { place, record } = await leased(given);
    await record('message.attempt.exhausted', { state: 'failed', reason: 'retries_exhausted' });
    const lease = await given.resendLeased(place.messageKey, place.endpointKey);
    expect(lease.announced).toBe(true);
    const announce = 'message.attempt.recovered' as const;
    const results = [{ ...given.result(lease, DONE), announce }];
    await given.store.deliveryRecord({ results, now: NOW });
    expect(await given.store.announcementList({ limit: 9 })).toHaveLength(2);
  });

  test('are stored once, and their attempt too, when that comes again as nobody knew of the commit', async (given) => {
    const { application, keys } = await given.company();
    const fence = given.fence();
    const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
    const announce = 'message.attempt.failing' as const;
    const result = given.result(given.lease(messageKey, keys[0], fence), LATER, { number: 4 });
    const results = [{ ...result, announce, keepLease: true }];
    const again = [{ ...results[0], again: true } as AttemptResult];
    const said = async () => [
      (await given.store.announcementList({ limit: 9 })).length,
      (await given.store.attemptList({ ...given.ref(messageKey), ...ALL })).rows.length,
    ];
    for (const each of [results, again]) {
      expect(await given.record({ results: each, now: NOW })).toEqual([true]);
      expect(await said()).toEqual([1, 1]);
    }
    // That commit did not take place.
    const other = { ...result.attempt, id: given.id('atmpt'), number: 5 };
    const unknown = [{ ...again[0], attempt: other } as AttemptResult];
    expect(await given.record({ results: unknown, now: NOW })).toEqual([true]);
    expect(await said()).toEqual([2, 2]);
  });

  test('are not stored when the lease does not hold any more', async (given) => {
    const { place, record } = await leased(given);
    await given.store.deliveryCancel({ deliveries: [place], reason: 'cancelled', now: NOW });
    await record('message.attempt.failing', LATER);
    expect(await given.store.announcementList({ limit: 9 })).toEqual([]);
  });
}

function ofFailing(test: ContractTest): void {
  test('tell of an endpoint that fails, and since when is kept until it works again', async (given) => {
    const { application, keys } = await given.company(2);
    const [one, other] = keys as unknown as [number, number];
    const record = (...failing: EndpointFailingChange[]) =>
      given.store.deliveryRecord({ results: [], now: NOW + 7, failing });
    await record({ endpointKey: one, since: NOW, warnedAt: null, broken: false });
    await record({ endpointKey: other, since: NOW + 2, warnedAt: null, broken: true });
    const announcements = [{ ...said('endpoint.failing'), applicationKey: application.key }];
    // A second time when nobody knew whether it was written.
    for (let times = 0; times < 2; times++)
      await record({ endpointKey: one, since: NOW, warnedAt: NOW + 7, broken: false, announcements });
    await given.reopen();
    expect(await failing(given)).toEqual([
      { endpointKey: one, since: NOW, warnedAt: NOW + 7, broken: false },
      { endpointKey: other, since: NOW + 2, warnedAt: null, broken: true },
    ]);
    expect(await given.store.announcementList({ limit: 9 })).toMatchObject([
      { ...said('endpoint.failing'), applicationKey: application.key, endpointKey: one, createdAt: NOW + 7 },
    ]);
    await record({ endpointKey: one, since: null }, { endpointKey: 99, since: null });
    expect(await failing(given)).toMatchObject([{ endpointKey: other }]);
  });

  test('tell nobody that a breaker opened or closed, which is kept', async (given) => {
    const { application, keys } = await given.company();
    const [endpointKey] = keys;
    const announcements = [{ ...said('endpoint.failing'), applicationKey: application.key }];
    const told = async () => (await given.store.announcementList({ limit: 9 })).length;
    for (const broken of [false, true, true, false]) {
      const change = { endpointKey, since: NOW, warnedAt: NOW + 7, broken, announcements };
      await given.store.deliveryRecord({ results: [], now: NOW + 7, failing: [change] });
      expect(await failing(given)).toEqual([{ endpointKey, since: NOW, warnedAt: NOW + 7, broken }]);
      expect(await told()).toBe(1);
    }
  });

  test('forget that an endpoint failed when it is enabled or deleted', async (given) => {
    const { application, keys } = await given.company(3);
    const fail = (endpointKey: number) =>
      given.store.deliveryRecord({
        ...{ results: [], now: NOW },
        failing: [{ endpointKey, since: NOW, warnedAt: null, broken: false }],
      });
    for (const endpointKey of keys) await fail(endpointKey);
    const place = { applicationKey: application.key, endpointKey: keys[0], now: NOW };
    const update = (changes: object) => given.store.endpointUpdate({ ...place, changes });
    await update({ description: 'other' });
    await update({ disabled: true });
    await update({ pausedAt: NOW });
    expect(await failing(given)).toHaveLength(3);
    await update({ disabled: false });
    expect(await failing(given)).toHaveLength(2);
    await given.store.endpointDelete({ ...place, endpointKey: keys[1] as number });
    expect(await failing(given)).toMatchObject([{ endpointKey: keys[2] }]);
    // Its attempt was under way.
    await fail(keys[1] as number);
    await given.store.applicationDelete({ applicationKey: application.key, now: NOW });
    expect(await failing(given)).toEqual([]);
  });
}

function said(type: EndpointAnnouncementType, reason?: 'manual'): NewEndpointAnnouncement {
  const data = { appId: 'app_1', appUid: null, endpointId: 'ep_1', endpointUid: 'ü' };
  return { type, data: reason === undefined ? data : { ...data, reason } };
}

async function failing(given: Given) {
  const rows = await given.store.endpointFailing();
  return rows.toSorted((one, two) => one.endpointKey - two.endpointKey);
}

/** A leased delivery whose attempts are recorded under the lease that it has then. */
async function leased(given: Given) {
  const { application, keys } = await given.company();
  const fence = given.fence();
  const messageKey = await given.accepted(application.key, keys, { state: 'sending', fence });
  const place = { messageKey, endpointKey: keys[0], applicationKey: application.key };
  let lease: AttemptResult['lease'] = given.lease(messageKey, keys[0], fence);
  return {
    place,
    /** Claims it. */
    async announced(): Promise<boolean | undefined> {
      const params = { endpointKey: keys[0], dueBy: NOW, limit: 1, fence: given.fence() };
      const [claimed] = (await claimDue(given.store, params)).claimed;
      lease = claimed ?? lease;
      return claimed?.announced;
    },
    async record(announce: AttemptAnnouncementType, verdict: Verdict): Promise<AttemptResult> {
      const result = { ...given.result(lease, verdict), announce };
      await given.store.deliveryRecord({ results: [result], now: NOW });
      return result;
    },
  };
}
