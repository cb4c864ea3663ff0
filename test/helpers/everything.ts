import { createHash } from 'node:crypto';
import type { NewEndpointAnnouncement } from '../../src/model/announcement.ts';
import type { EventType } from '../../src/model/event-type.ts';
import type { AttemptResult } from '../../src/store/store.ts';
import { Tasks } from '../contract/task-world.ts';
import { claimDue, type Given, NOW } from '../contract/world.ts';

const FAILED = { state: 'failed', reason: 'retries_exhausted' } as const;
const HOUR = 3_600_000;

/** Fills a store with everything that it can keep: rows in every table, deliveries in every state. */
export async function fillWithEverything(given: Given): Promise<void> {
  const { store } = given;
  await store.masterKeyKeep({ id: MASTER_KEY_ID });
  await store.eventTypeInsertMissing({ eventTypes: ['old', 'ticket.created', 'ticket.🎫'].map(eventType) });
  await store.eventTypeDelete({ name: 'old' });
  const acme = await given.application({
    uid: 'acme',
    name: 'Acme 🏭',
    throttleRate: 50,
    metadata: { plan: 'gold' },
  });
  const gone = await given.application({ name: 'Gone' });
  await given.endpoint(gone.key);
  await store.applicationDelete({ applicationKey: gone.key, now: NOW + 1 });
  const endpoints = await endpointsOf(given, acme.key);
  await keysOf(given, acme.key);
  await deliveriesOf(given, acme.key, endpoints);
  await linesOf(given, acme.key, endpoints.ordered);
  await attemptsOf(given, acme.key, endpoints);
  await tasksOf(given, acme.key, endpoints);
  await answersOf(given, acme.key);
  // Some of what was counted, by the hour.
  await store.tallyRoll({ before: NOW + HOUR, limit: 2 });
  // The last one is gone: its number must not come again.
  const announcements = await store.announcementList({ limit: 100 });
  await store.announcementDelete({ keys: announcements.slice(-1).map(({ key }) => key) });
}

/** Of the key with 32 zero bytes. */
export const MASTER_KEY = Buffer.alloc(32).toString('base64');
const MASTER_KEY_ID = createHash('sha256')
  .update('posthorn master key')
  .update(Buffer.alloc(32))
  .digest()
  .readUInt32BE();

interface Endpoints {
  readonly usual: number;
  readonly disabled: number;
  readonly ordered: number;
  readonly other: number;
}

async function endpointsOf(given: Given, applicationKey: number): Promise<Endpoints> {
  const usual = await given.endpoint(applicationKey, {
    ...{ uid: 'main', description: 'Größe ≤ 5 🚚', eventTypes: ['ticket.created'], channels: ['a', 'b'] },
    ...{ throttleRate: 7, metadata: { team: 'ä' }, sealedHeaders: Buffer.from([0, 255, 10, 13]) },
    ...{ sealedSecret: Buffer.from(Array.from({ length: 256 }, (_, n) => n)), secretExpiries: [NOW + HOUR] },
    ...{ retrySchedule: { delaysMs: [100, 200], jitter: 0.1 }, finalStatuses: [410] },
  });
  const disabled = await given.endpoint(applicationKey, {
    ...{ disabled: true, disabledReason: 'manual', disabledAt: NOW, pausedAt: NOW },
  });
  const ordered = await given.endpoint(applicationKey, { ordering: 'key' });
  const other = await given.endpoint(applicationKey);
  const deleted = await given.endpoint(applicationKey);
  const place = { applicationKey, endpointKey: deleted.key, now: NOW + 2 };
  await given.store.endpointDelete({ ...place, announcements: [announcement('endpoint.deleted')] });
  return { usual: usual.key, disabled: disabled.key, ordered: ordered.key, other: other.key };
}

async function keysOf(given: Given, applicationKey: number): Promise<void> {
  const operator = given.key({ slot: 'operator', lastUsedAt: NOW });
  await given.store.keyInsert(operator);
  await given.store.keyInsert(
    given.key({ applicationKey, capabilities: ['ViewBase'], featureFlags: ['beta'], expiresAt: NOW + HOUR }),
  );
  const replaced = { id: operator.id, replacement: given.key({ slot: 'operator' }), expiresAt: NOW + HOUR };
  await given.store.keyRotate(replaced);
  const revoked = given.key();
  await given.store.keyInsert(revoked);
  await given.store.keyRevoke({ id: revoked.id, now: NOW + 3 });
}

async function deliveriesOf(given: Given, applicationKey: number, endpoints: Endpoints): Promise<void> {
  const { usual, disabled, other } = endpoints;
  const accept = (keys: number[], options: Parameters<Given['accepted']>[2] = {}) =>
    given.accepted(applicationKey, keys, options);
  await accept([]);
  await accept([usual, other]);
  await accept([usual], { state: 'sending' });
  await accept([disabled], { state: 'held' });
  await accept([usual], {
    message: { payload: `{"large":"${'ü🚚"'.repeat(250_000).replaceAll('"', '\\"')}"}` },
  });
  await accept([usual], {
    message: {
      ...{ eventId: 'event-1', channels: ['a'], tags: ['vip', 'größe'], deliverAt: NOW + HOUR },
      ...{
        expiresAt: NOW + 2 * HOUR,
        payloadUntil: NOW + 3 * HOUR,
        payload: '{"emoji":"🎉\\u0000","n":1.10}',
      },
    },
  });
  await accept([other], { message: { eventId: 'event-2', expiresAt: NOW + 2 * HOUR } });
  const cancelled = await accept([usual]);
  const place = { messageKey: cancelled, endpointKey: usual };
  await given.store.deliveryCancel({ deliveries: [place], reason: 'cancelled', now: NOW });
  const expunged = await accept([usual]);
  await given.store.messageExpunge({ messages: [given.ref(expunged)], now: NOW });
}

/** A line whose first one failed, one whose first one is being sent, and one whose first one is due. */
async function linesOf(given: Given, applicationKey: number, endpointKey: number): Promise<void> {
  for (const orderKey of ['', 'b', 'c']) {
    for (let count = 0; count < 3; count++) await given.accepted(applicationKey, [endpointKey], { orderKey });
    if (orderKey === 'c') break;
    const fence = given.fence();
    const { claimed } = await claimDue(given.store, { endpointKey, dueBy: NOW, limit: 1, fence });
    if (orderKey === '') {
      const results = claimed.map((lease) => given.result(lease, FAILED));
      await given.store.deliveryRecord({ results, now: NOW });
    }
  }
}

async function attemptsOf(given: Given, applicationKey: number, { usual, other }: Endpoints): Promise<void> {
  const { store } = given;
  const record = async (verdict: AttemptResult['verdict'], fields: Partial<AttemptResult> = {}) => {
    const fence = given.fence();
    const messageKey = await given.accepted(applicationKey, [usual], { state: 'sending', fence });
    const made = given.result(given.lease(messageKey, usual, fence), verdict);
    const exchange = {
      ...made.attempt.exchange,
      ...{ status: 503, body: 'später 🕰\n"', retryAfter: '120', responseHeaders: 'x-a\nb' },
      error: { code: 'timed_out' as const, message: 'No answer within 15 s.' },
    };
    const failed = verdict.state === 'succeeded' ? {} : { attempt: { ...made.attempt, exchange } };
    await store.deliveryRecord({ results: [{ ...made, ...failed, ...fields }], now: NOW });
    return messageKey;
  };
  await record({ state: 'succeeded' });
  await record({ state: 'pending', nextAttemptAt: NOW + HOUR }, { announce: 'message.attempt.failing' });
  const failed = await record(FAILED, { announce: 'message.attempt.exhausted' });
  await given.resendLeased(failed, usual);
  await store.resendInsert({ messageKey: failed, endpointKey: usual, now: NOW, limit: 9 });
  const failing = [
    { endpointKey: usual, since: NOW, warnedAt: NOW + 1, broken: true },
    { endpointKey: other, since: NOW, warnedAt: null, broken: false },
  ];
  await store.deliveryRecord({ results: [], now: NOW, failing });
}

async function tasksOf(given: Given, applicationKey: number, { usual, other }: Endpoints): Promise<void> {
  const tasks = new Tasks(given);
  const place = { applicationKey, sourceKey: usual, targetKey: other };
  const filter = { eventTypes: ['ticket.*'], tag: 'größe' };
  await tasks.begin({ ...place, kind: 'replay', filter, to: 'msg_0' });
  await tasks.begin({ ...place, kind: 'replay-missing', from: 'msg_0' });
  const { id } = await tasks.begin({ ...place, kind: 'replay-missing', from: 'msg_00' });
  await given.store.taskCancel({ id, now: NOW + 4 });
}

async function answersOf(given: Given, applicationKey: number): Promise<void> {
  const idempotency = { keyHash: hash('call'), bodyHash: hash('body') };
  const publishes = [{ ...given.publish(applicationKey, given.message()), idempotency }];
  await given.accept({ publishes, fence: given.fence(), now: NOW });
  const answer = {
    keyHash: hash('other'),
    bodyHash: hash('body'),
    sealed: Buffer.from([0, 1, 255]),
    now: NOW,
  };
  await given.store.answerInsert(answer);
  const { key: endpointKey } = await given.endpoint(applicationKey);
  const changes = { disabled: true };
  const announcements = [announcement('endpoint.updated'), announcement('endpoint.disabled')];
  await given.store.endpointUpdate({ applicationKey, endpointKey, now: NOW + 5, changes, announcements });
}

function announcement(type: NewEndpointAnnouncement['type']): NewEndpointAnnouncement {
  return { type, data: { appId: 'app_1', appUid: null, endpointId: 'ep_1', endpointUid: 'größe' } };
}

function eventType(name: string): EventType {
  return {
    ...{ name, description: `${name} 🎫`, archived: name !== 'ticket.created', deprecated: false },
    ...{ schemas: { 1: { type: 'object', title: 'ü' } }, featureFlags: ['beta'], groupName: 'tickets' },
    ...{ validation: 'warn', createdAt: NOW, updatedAt: NOW },
  };
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
