import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Given } from '../../test/contract/world.ts';
import { givenStore } from '../../test/helpers/given-store.ts';
import { ManualClock } from '../../test/helpers/manual-clock.ts';
import type { Application } from '../model/application.ts';
import { type DeliveryReason, deliveryReasons, type Verdict } from '../model/delivery.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { EventType } from '../model/event-type.ts';
import type { LeasedDelivery } from '../model/lease.ts';
import type { Message } from '../model/message.ts';
import type { NewEndpoint } from '../store/store.ts';
import { Explainer, type ExplainerOptions } from './explain.ts';
import { WAITS } from './explanation.ts';
import { explanationText } from './explanation-text.ts';
import { Reader } from './reader.ts';

const DELAYS_MS = [5_000, 60_000, 300_000];
const IDLE = {
  inFlight: 0,
  limit: 32,
  breaker: { open: false, failures: 0, probeAt: null },
  throttled: false,
};

let given: Given;
let dispose: () => Promise<void>;
let clock: ManualClock;
let application: Application;
let endpoint: Endpoint;
let lane: ReturnType<ExplainerOptions['state']>;
let eventType: Partial<EventType> | null;
let sends = false;
let problems: { path: string[]; message: string }[];
let explainer: Explainer;

beforeEach(async () => {
  ({ given, dispose } = await givenStore());
  clock = new ManualClock();
  lane = null;
  sends = false;
  eventType = null;
  problems = [];
  application = await given.application();
  explainer = new Explainer({
    store: given.store,
    reader: new Reader(given.store, clock),
    clock,
    retrySchedule: { delaysMs: DELAYS_MS, jitter: 0.2 },
    state: () => lane,
    sends: () => sends,
    eventType: async () => eventType as EventType | null,
    payloadProblems: () => (problems.length === 0 ? null : { problems }),
  });
  endpoint = await made({});
});
afterEach(() => dispose());

const made = async (fields: Partial<NewEndpoint>) =>
  given.endpoint(application.key, { now: clock.now(), ...fields });
const iso = (at: number) => new Date(at).toISOString();

async function message(
  options: Parameters<Given['accepted']>[2] & { to?: Endpoint[] } = {},
): Promise<Message> {
  const id = given.id('msg');
  const keys = (options.to ?? [endpoint]).map(({ key }) => key);
  const fields = { id, createdAt: clock.now(), ...options.message };
  await given.accepted(application.key, keys, { now: clock.now(), ...options, message: fields });
  return find(id);
}

async function find(id: string): Promise<Message> {
  return (await given.store.messageFind({ applicationKey: application.key, ref: id })) as Message;
}

/** What is due of an endpoint, leased. */
async function claimed({ key: endpointKey }: Endpoint): Promise<readonly LeasedDelivery[]> {
  const room = { deliveries: 9, characters: 9_999 };
  const lanes = [{ endpointKey, ...room }];
  const params = { lanes, characters: 9_999, dueBy: clock.now(), fence: given.fence() };
  return (await given.store.deliveryClaimDue(params))[0]?.claimed ?? [];
}

/** A message whose first attempt ended so. */
async function attempted(verdict: Verdict, status: number | null = 500): Promise<Message> {
  const fence = given.fence();
  const sent = await message({ state: 'sending', fence });
  const result = given.result(given.lease(sent.key, endpoint.key, fence), verdict);
  const error = status === null ? { code: 'timed_out' as const, message: 'No answer in 15 s.' } : null;
  const exchange = { ...result.attempt.exchange, startedAt: clock.now(), status, error };
  const attempt = { ...result.attempt, exchange };
  await given.store.deliveryRecord({ results: [{ ...result, attempt }], now: clock.now() });
  return sent;
}

describe('explain says of a message without a delivery', () => {
  it('that its event type or its channels are not asked for', async () => {
    const tickets = await made({ eventTypes: ['ticket.*', 'user.created'] });
    const channels = await made({ channels: ['vip'] });
    const sent = await message({ message: { eventType: 'note.created', channels: ['sales'] } });
    expect(await explainer.explain(sent, tickets)).toMatchObject({
      endpoint: tickets,
      messageId: sent.id,
      matched: false,
      rule: 'event_type',
      state: null,
      waitsFor: null,
      lastAttempt: null,
      plannedAttempts: [],
      text: 'The endpoint does not ask for the event type note.created, but for ticket.*, user.created. Add the event type to the endpoint; replay-missing then sends what it missed.',
    });
    const explanation = await explainer.explain(sent, channels);
    expect(explanation.rule).toBe('channels');
    expect(explanation.text).toContain('The message has the channels sales, and the endpoint asks only');
    expect(explanation.text).toContain('one of vip.');
  });

  it('that the endpoint is newer, or was changed since', async () => {
    const sent = await message();
    await clock.advance(10_000);
    const newer = await made({});
    const explanation = await explainer.explain(sent, newer);
    expect(explanation.rule).toBe('endpoint_newer');
    expect(explanation.text).toContain(`made at ${iso(newer.createdAt)}, after the message`);
    expect(explanation.text).toContain('replay-missing');
    const picky = await made({ eventTypes: ['user.created'] });
    expect((await explainer.explain(sent, picky)).text).toContain('does not ask for the event type ticket');
    const elsewhere = await message({ to: [newer] });
    expect(await explainer.explain(elsewhere, endpoint)).toMatchObject({ rule: 'changed_since' });
  });
});

describe('explain says of an open delivery', () => {
  it('that it waits for the time of its message, or of its next try, and when those after it are', async () => {
    const deliverAt = clock.now() + 60_000;
    const scheduled = await explainer.explain(await message({ message: { deliverAt } }), endpoint);
    expect(scheduled).toMatchObject({ state: 'pending', waitsFor: 'deliver_at', nextAttemptAt: deliverAt });
    expect(scheduled.text).toContain(iso(deliverAt));
    expect(scheduled.plannedAttempts).toEqual([0, 5_000, 65_000, 365_000].map((ms) => deliverAt + ms));

    const nextAttemptAt = clock.now() + 4_000;
    const failing = await attempted({ state: 'pending', nextAttemptAt }, null);
    const retried = await explainer.explain(failing, endpoint);
    expect(retried).toMatchObject({ waitsFor: 'retry', attemptCount: 1, nextAttemptAt });
    expect(retried.plannedAttempts).toEqual([0, 60_000, 360_000].map((ms) => nextAttemptAt + ms));
    expect(retried.text).toContain(`again at ${iso(nextAttemptAt)}, for the 2nd time of 4.`);
    expect(retried.text).toContain(`${retried.lastAttempt?.id} at ${iso(clock.now())}`);
    expect(retried.text).toContain('got no answer (timed_out: No answer in 15 s.). 1 of 4 tries');
    // Its schedule was made shorter since.
    const shorter = { ...endpoint, retrySchedule: { delaysMs: [], jitter: 0 } };
    const last = await explainer.explain(failing, shorter);
    expect(last.plannedAttempts).toEqual([nextAttemptAt]);
    expect(last.text).toContain(
      "as attempt 2; by the endpoint's present schedule, which has 1, there are no more after it.",
    );
  });

  it('until when it is worth sending', async () => {
    const expiresAt = clock.now() + 20_000;
    const { plannedAttempts, text } = await explainer.explain(
      await message({ message: { expiresAt } }),
      endpoint,
    );
    expect(plannedAttempts).toEqual([0, 5_000].map((ms) => clock.now() + ms));
    expect(text).toContain(`not sent any more from ${iso(expiresAt)} on`);
  });

  it('which older one it waits behind, and how to go on', async () => {
    const ordered = await made({ ordering: 'key' });
    const to = { to: [ordered], orderKey: 'ticket-7', message: { orderingKey: 'ticket-7' } };
    const first = await message({ ...to, state: 'held' });
    const explanation = await explainer.explain(await message(to), ordered);
    expect(explanation).toMatchObject({
      waitsFor: 'order',
      behind: first.id,
      nextAttemptAt: null,
      plannedAttempts: [],
    });
    expect(explanation.text).toContain('the ordering key "ticket-7" one at a time');
    expect(explanation.text).toContain(
      `behind the message ${first.id}, whose delivery is held. Release what is held, or skip that one`,
    );
    const second = await message({ ...to, orderKey: 'ticket-8' });
    const third = await message({ ...to, orderKey: 'ticket-8' });
    const [lease] = await claimed(ordered);
    const nextAttemptAt = clock.now() + 4_000;
    const result = given.result(lease as LeasedDelivery, { state: 'pending', nextAttemptAt });
    await given.store.deliveryRecord({ results: [{ ...result, keepLease: true }], now: clock.now() });
    const behind = await explainer.explain(third, ordered);
    expect(behind).toMatchObject({ behind: second.id, plannedAttempts: [] });
    expect(behind.text).toContain(
      `${second.id}, whose delivery waits for its retry at ${iso(nextAttemptAt)}.`,
    );
  });

  it('that the breaker, a throttle, those under way or others have it wait, or that it is on its way', async () => {
    const due = await message();
    const probeAt = clock.now() + 5_000;
    lane = { ...IDLE, breaker: { open: true, failures: 12, probeAt } };
    const broken = await explainer.explain(due, endpoint);
    expect(broken.waitsFor).toBe('breaker');
    expect(broken.text).toContain('The last 12 requests');
    expect(broken.text).toContain(iso(probeAt));
    expect(broken.plannedAttempts[0]).toBe(probeAt);
    const later = await explainer.explain(await message({ message: { deliverAt: probeAt + 9 } }), endpoint);
    expect(later).toMatchObject({ waitsFor: 'deliver_at', plannedAttempts: { 0: probeAt + 9 } });
    expect(later.text).toContain('breaker is open after 12 failures');
    lane = { ...IDLE, throttled: true };
    expect(await explainer.explain(due, { ...endpoint, throttleRate: 5 })).toMatchObject({
      waitsFor: 'throttle',
      text: expect.stringContaining('(5 a second)'),
    });
    lane = { ...IDLE, inFlight: 32 };
    expect(await explainer.explain(due, endpoint)).toMatchObject({
      waitsFor: 'in_flight',
      text: expect.stringContaining('32 requests are under way at the endpoint, as many as may be at once.'),
    });
    lane = { ...IDLE, inFlight: 4, limit: 4 };
    expect(await explainer.explain(due, endpoint)).toMatchObject({
      waitsFor: 'in_flight',
      text: expect.stringContaining(
        '4 requests are under way at the endpoint, which is as many as it gets at present. It gets one more with each answer, up to 32.',
      ),
    });
    lane = null;
    expect(await explainer.explain(due, endpoint)).toMatchObject({ waitsFor: 'turn' });
    const sending = await message({ state: 'sending' });
    lane = { ...IDLE, inFlight: 1 };
    sends = true;
    expect(await explainer.explain(sending, endpoint)).toMatchObject({
      state: 'sending',
      waitsFor: null,
      text: expect.stringContaining('right now'),
    });
  });

  it('that it is held, why and since when, and what lets it go', async () => {
    const held = await message({ state: 'held' });
    const gone = { ...endpoint, disabled: true, disabledAt: clock.now(), disabledReason: 'gone' } as const;
    expect(await explainer.explain(held, gone)).toMatchObject({
      state: 'held',
      reason: 'endpoint_disabled',
      waitsFor: 'endpoint_disabled',
      text: `It is held: the endpoint is disabled since ${iso(clock.now())}, because it answered 410 Gone. Enable it, and then release what is held, or discard it.`,
    });
    const pausedNow = { ...endpoint, pausedAt: clock.now() };
    const heldByPause = await message();
    const { applicationKey, key } = endpoint;
    const change = (changes: { pausedAt: number | null }) =>
      given.store.endpointUpdate({ applicationKey, endpointKey: key, now: clock.now(), changes });
    await change({ pausedAt: clock.now() });
    await given.store.deliveryWithdraw({ endpointKey: key, limit: 9 });
    const paused = await explainer.explain(heldByPause, pausedNow);
    expect(paused).toMatchObject({ waitsFor: 'endpoint_paused' });
    expect(paused.text).toContain(
      `paused since ${iso(clock.now())}. When the pause ends it goes out by itself.`,
    );
    // A pause that came later does not let it go when it ends.
    const both = await explainer.explain(held, pausedNow);
    expect(both).toMatchObject({ waitsFor: 'endpoint_disabled' });
    expect(both.text).toContain('The end of the pause does not send what was held before it');
    await change({ pausedAt: null });
    // The endpoint was enabled since: only a release is missing.
    const enabled = await explainer.explain(held, endpoint);
    expect(enabled).toMatchObject({ waitsFor: 'endpoint_disabled' });
    expect(enabled.text).toContain('takes deliveries again: what was held before waits for held/release');
    const id = given.id('qtask');
    await given.store.taskInsert({
      ...{ id, kind: 'release', applicationKey, sourceKey: key, targetKey: key, filter: {}, rate: 1 },
      ...{ from: 'msg_', to: 'msg_~', now: clock.now(), limit: 9, applicationLimit: 9 },
    });
    expect((await explainer.explain(held, endpoint)).text).toContain(`the task ${id} lets go what is held`);
    expect((await explainer.explain(await message(), gone)).text).toContain('It is about to be held');
  });
});

describe('explain says of a delivery that ended', () => {
  it('with what it ended', async () => {
    const arrived = await explainer.explain(await attempted({ state: 'succeeded' }, 204), endpoint);
    expect(arrived.text).toMatch(/^It has arrived\. The last attempt, atmpt_\w+ at .*, was answered 204\./);
    expect(arrived).toMatchObject({ state: 'succeeded', plannedAttempts: [], waitsFor: null });
    const failed = await explainer.explain(
      await attempted({ state: 'failed', reason: 'retries_exhausted' }),
      endpoint,
    );
    expect(failed.text).toContain('It has failed. All tries of its schedule failed.');
    expect(failed.text).toContain('was answered 500');
    expect(failed.text).toContain('Retry begins its schedule anew');
    const cancelled = await message();
    await given.store.deliveryCancel({
      deliveries: [{ messageKey: cancelled.key, endpointKey: endpoint.key }],
      reason: 'cancelled',
      now: clock.now(),
    });
    expect((await explainer.explain(cancelled, endpoint)).text).toContain('Somebody cancelled it.');
  });

  it('that it was given up before it expired, as its next try would have come too late', async () => {
    const expiresAt = clock.now() + 3_000;
    const fence = given.fence();
    const sent = await message({ state: 'sending', fence, message: { expiresAt } });
    const result = given.result(given.lease(sent.key, endpoint.key, fence), {
      state: 'cancelled',
      reason: 'expired',
    });
    const exchange = { ...result.attempt.exchange, startedAt: clock.now(), status: 500 };
    const results = [{ ...result, attempt: { ...result.attempt, exchange } }];
    await given.store.deliveryRecord({ results, now: clock.now() });
    const text = `Its next try would have come after it expires.`;
    expect((await explainer.explain(sent, endpoint)).text).toContain(text);
    await clock.advance(60_000);
    expect((await explainer.explain(sent, endpoint)).text).toContain(text);
    expect((await explainer.explain(sent, endpoint)).text).toContain(iso(expiresAt));
    const late = await message({ message: { expiresAt: clock.now() + 1 } });
    await given.store.deliveryExpire({ now: clock.now() + 1, limit: 9, scan: 9 });
    expect((await explainer.explain(late, endpoint)).text).toContain('too old to be worth sending');
  });

  it('that one that failed keeps others waiting, and can only be skipped without its payload', async () => {
    const sent = await message({ orderKey: '' });
    const results = (await claimed(endpoint)).map((lease) =>
      given.result(lease, { state: 'failed', reason: 'retries_exhausted' }),
    );
    await given.store.deliveryRecord({ results, now: clock.now() });
    expect((await explainer.explain(sent, endpoint)).text).toContain('until it is retried or skipped.');
    await given.store.messageExpunge({ messages: [given.ref(sent.key)], now: clock.now() });
    const { text } = await explainer.explain(await find(sent.id), endpoint);
    expect(text).toContain('until it is skipped: it cannot be sent again.');
    expect(text).not.toContain('Retry');
  });

  it('that its payload is gone, or is not as its schema has it', async () => {
    const sent = await message({ message: { payload: '{"ticket":{}}' } });
    expect((await explainer.explain(sent, endpoint)).schema).toBeNull();
    eventType = { validation: 'warn', schemas: { 1: {} } };
    expect((await explainer.explain(await find(sent.id), endpoint)).schema).toEqual({
      valid: true,
      problems: [],
    });
    problems = [
      { path: ['ticket', 'id'], message: 'is required' },
      { path: [], message: 'is bad' },
    ];
    const explanation = await explainer.explain(await find(sent.id), endpoint);
    expect(explanation.schema).toEqual({ valid: false, problems });
    expect(explanation.text).toContain(
      'Its payload is not as the schema of ticket.created says: payload.ticket.id is required, and 1 more.',
    );
    await given.store.messageExpunge({ messages: [given.ref(sent.key)], now: clock.now() });
    const expunged = await explainer.explain(await find(sent.id), endpoint);
    expect(expunged).toMatchObject({ schema: null, reason: 'payload_expunged' });
    expect(expunged.text).toContain('Its payload is gone.');
  });
});

it('what a schema says is told to those who may see the event type', async () => {
  const sent = await message();
  eventType = { validation: 'warn', schemas: { 1: {} }, featureFlags: ['beta'] };
  problems = [{ path: ['secret'], message: 'is required' }];
  const to = async (featureFlags: string[]) => {
    const viewer = { applicationKey: application.key, featureFlags };
    return explainer.explain(await find(sent.id), endpoint, { viewer, isGone: () => false });
  };
  expect((await to(['beta'])).schema).toEqual({ valid: false, problems });
  const hidden = await to([]);
  expect(hidden.schema).toBeNull();
  expect(hidden.text).not.toContain('secret');
});

it('many endpoints are explained with one look at the attempts of the message, and none for who has hung up', async () => {
  const endpoints = [endpoint, await made({}), await made({}), await made({})];
  const [one, other] = endpoints as [Endpoint, Endpoint];
  const sent = await message({ to: endpoints.slice(0, 3) });
  for (const to of [one, other]) {
    const results = (await claimed(to)).map((lease) =>
      given.result(lease, { state: 'pending', nextAttemptAt: clock.now() + 5_000 }),
    );
    await given.store.deliveryRecord({ results, now: clock.now() });
  }
  let looks = 0;
  const { store } = given;
  const counting = {
    ...store,
    attemptLatest: (params: Parameters<typeof store.attemptLatest>[0]) => {
      looks++;
      return store.attemptLatest(params);
    },
  };
  const reader = new Reader(counting, clock);
  const many = new Explainer({
    ...{ store, reader, clock, retrySchedule: { delaysMs: DELAYS_MS, jitter: 0 } },
    ...{ state: () => null, sends: () => false, eventType: async () => null, payloadProblems: () => null },
  });
  const asked = { viewer: null, isGone: () => false };
  const all = await many.explainAll(sent, endpoints, asked);
  expect(all.map(({ lastAttempt }) => lastAttempt?.endpointId ?? null)).toEqual([
    one.id,
    other.id,
    null,
    null,
  ]);
  expect(looks).toBe(1);
  expect(await many.explainAll(sent, endpoints, { ...asked, isGone: () => true })).toEqual([]);
});

it('every reason and every wait has sentences, which say what to do and hold no hole', async () => {
  const sent = await message();
  const delivery = await given.deliveryOf({ messageKey: sent.key, endpointKey: endpoint.key });
  const explained = {
    message: sent,
    endpoint,
    rule: null,
    behind: null,
    lane: null,
    lastAttempt: null,
    schedule: { delaysMs: DELAYS_MS, jitter: 0 },
    release: null,
    schema: null,
    now: clock.now(),
  };
  const texts = new Set<string>();
  for (const reason of Object.keys(deliveryReasons) as DeliveryReason[]) {
    for (const state of ['failed', 'cancelled'] as const) {
      const text = explanationText({
        ...explained,
        waitsFor: null,
        delivery: { ...delivery, state, reason },
      });
      expect(text).toContain(deliveryReasons[reason]);
      texts.add(text);
    }
  }
  for (const waitsFor of WAITS) texts.add(explanationText({ ...explained, waitsFor, delivery }));
  // Both kinds of holding say the same of an endpoint that takes deliveries again.
  expect(texts.size).toBe(2 * Object.keys(deliveryReasons).length + WAITS.length - 1);
  for (const text of texts) {
    expect(text).not.toMatch(/undefined|null|NaN|1970|\s\s/);
    expect(text).toMatch(/^[A-Z].*\.$/);
  }
});
