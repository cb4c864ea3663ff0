import { expect } from 'vitest';
import type { Application } from '../../src/model/application.ts';
import type { Attempt } from '../../src/model/attempt.ts';
import { type Endpoint, orderKeyOf } from '../../src/model/endpoint.ts';
import { succeeded } from '../../src/model/exchange.ts';
import type { Message } from '../../src/model/message.ts';
import type { EndpointDelivery } from '../../src/store/store.ts';
import type { Operator, Published } from './operator.ts';
import { DELAYS_MS, JITTER, type Process } from './process.ts';
import type { Hit, Receivers } from './receivers.ts';

/** While the store refuses, an outcome waits in memory up to 5 s for the next try. */
const RECORDED_WITHIN_MS = 6_000;
/** What a throttle may catch up, in ms. */
const SLACK_MS = 50;

export interface Simulated {
  process: Process;
  operator: Operator;
  receivers: Receivers;
  applications: Application[];
  endpoints: Map<string, Endpoint>;
  /** Stays disabled to the end. */
  held: Endpoint;
  kills: number[];
}

/** Nothing goes out before its time, to an endpoint that takes nothing, or of what was expunged or cancelled. */
export function checkHits({ operator, receivers, endpoints }: Simulated): void {
  for (const { href, messageId, startedAt } of receivers.hits) {
    const { key } = endpoints.get(href) as Endpoint;
    const { deliverAt } = operator.published.get(messageId) ?? { deliverAt: null };
    const { resendAsked, hurryAsked, cancelledAt } = operator.interventionsOf(messageId, key);
    if (!resendAsked && !hurryAsked) expect(startedAt).toBeGreaterThanOrEqual(deliverAt ?? 0);
    expect(startedAt).toBeLessThanOrEqual(operator.expunged.get(messageId) ?? Number.POSITIVE_INFINITY);
    if (!resendAsked && !operator.replayedTo.has(key))
      expect(startedAt).toBeLessThanOrEqual(cancelledAt ?? Number.POSITIVE_INFINITY);
    for (const { endpointKey, name, from, until } of operator.switches.spans) {
      if (endpointKey === key && startedAt > from && startedAt < until) {
        expect.unreachable(`sent at ${startedAt} to what was ${name} from ${from} to ${until}`);
      }
    }
  }
}

/** No second has more than the rate, and what a throttle may catch up. A new process knows nothing of the last one's pace. */
export function checkPace(
  hits: readonly Hit[],
  kills: readonly number[],
  rateOf: (hit: Hit) => number | null,
): void {
  for (const of of Map.groupBy(hits, ({ href }) => href).values()) {
    const rate = rateOf(of[0] as Hit);
    if (rate === null) continue;
    const most = Math.floor(((1_000 + SLACK_MS) * rate) / 1_000) + 1;
    of.forEach(({ startedAt }, index) => {
      if (kills.some((kill) => kill >= startedAt && kill <= startedAt + 1_000)) return;
      const end = of.findIndex((each, place) => place > index && each.startedAt >= startedAt + 1_000);
      expect((end === -1 ? of.length : end) - index).toBeLessThanOrEqual(most);
    });
  }
}

/**
 * What is ordered arrives for the first time in the order of publishing, one after the other, but for what a person took out
 * of the order, or what left it by itself.
 */
export async function checkOrder({ process, operator, receivers, endpoints }: Simulated): Promise<void> {
  const messages = new Map<string, Message>();
  for (const [id, { application }] of operator.published) {
    const found = await process.store.messageFind({ applicationKey: application.key, ref: id });
    messages.set(id, found as Message);
  }
  for (const endpoint of endpoints.values()) {
    if (endpoint.ordering === 'none') continue;
    const hits = Map.groupBy(
      receivers.hits.filter(({ href }) => href === endpoint.href),
      ({ messageId }) => messageId,
    );
    const inOrder = [...messages.values()]
      .filter(({ id, applicationKey, createdAt, expiresAt }) => {
        const { cancelAsked, skipAsked, resendAsked } = operator.interventionsOf(id, endpoint.key);
        const expunged = operator.expungeAsked.has(id) || operator.published.get(id)?.payloadUntil !== null;
        const leaves = expunged || expiresAt !== null || operator.mayBeDiscarded(endpoint.key, createdAt);
        return (
          applicationKey === endpoint.applicationKey && !(cancelAsked || skipAsked || resendAsked || leaves)
        );
      })
      .map(({ id, key, orderingKey }) => ({ id, key, orderKey: orderKeyOf(endpoint, orderingKey) }))
      .filter(({ orderKey }) => orderKey !== null)
      .sort((one, other) => one.key - other.key);
    for (const line of Map.groupBy(inOrder, ({ orderKey }) => orderKey).values()) {
      let arrivedAt = 0;
      for (const { id } of line) {
        const own = hits.get(id) ?? [];
        const beganAt = Math.min(...own.map(({ startedAt }) => startedAt));
        expect(beganAt, `${id} of the line before its turn`).toBeGreaterThanOrEqual(arrivedAt);
        arrivedAt = Math.min(...own.filter((hit) => hit.succeeded).map(({ endedAt }) => endedAt as number));
      }
    }
  }
}

/** A message is as it was published, and its deliveries are where they may be. */
export async function checkMessage(id: string, simulated: Simulated): Promise<void> {
  const { process, operator, endpoints } = simulated;
  const { application, payload, payloadUntil } = operator.published.get(id) as Published;
  const message = await process.store.messageFind({ applicationKey: application.key, ref: id });
  const wasExpunged = message?.payload === null;
  if (operator.expunged.has(id) || payloadUntil !== null) expect(wasExpunged).toBe(true);
  if (wasExpunged) expect(payloadUntil !== null || operator.expungeAsked.has(id)).toBe(true);
  else expect(message?.payload).toBe(payload);
  const of = { applicationKey: application.key, messageKey: message?.key as number };
  const all = { ...of, limit: 250, before: null, after: null };
  const attempts = (await process.store.attemptList(all)).rows.reverse();
  const deliveries = await process.store.deliveryList(all);
  const own = [...endpoints.values()].filter(({ applicationKey }) => applicationKey === application.key);
  expect(deliveries).toHaveLength(own.length);
  for (const delivery of deliveries) {
    const { endpointKey } = delivery;
    const ofDelivery = attempts.filter((attempt) => attempt.endpointKey === endpointKey);
    checkDelivery(delivery, { message: message as Message, own: ofDelivery, simulated });
  }
}

function checkDelivery(
  { state, reason, endpointKey }: EndpointDelivery,
  about: { message: Message; own: readonly Attempt[]; simulated: Simulated },
): void {
  const { own, simulated } = about;
  const { operator, held, kills } = simulated;
  const { id, payload, createdAt, expiresAt } = about.message;
  const wasExpunged = payload === null;
  const mayBeDiscarded = operator.mayBeDiscarded(endpointKey, createdAt);
  const asked = operator.interventionsOf(id, endpointKey);
  const isHeld = endpointKey === held.key;
  const arrived = own.some(({ exchange }) => succeeded(exchange));
  const message = `${id} to ${endpointKey} is ${state} (${reason})`;
  if (state === 'cancelled') {
    const because = {
      payload_expunged: wasExpunged,
      expired: expiresAt !== null,
      cancelled: asked.cancelAsked,
    };
    const other = { ...because, skipped: asked.skipAsked, discarded: mayBeDiscarded };
    expect(other[reason as keyof typeof other], message).toBe(true);
  } else if (state === 'held') {
    // Held things expire, too.
    expect([isHeld, wasExpunged, expiresAt], message).toEqual([true, false, null]);
  } else if (state === 'failed') {
    expect(isHeld || wasExpunged || expiresAt !== null, message).toBe(true);
  } else expect(state, message).toBe('succeeded');
  // What had arrived, was sent again and then cancelled has arrived all the same.
  if (state === 'succeeded') expect(arrived, message).toBe(true);
  else if (!operator.replayedTo.has(endpointKey)) expect(arrived, message).toBe(false);
  checkAttempts(own, { ...simulated, expiresAt, endpointKey, hurryAsked: asked.hurryAsked });
  if (wasExpunged || isHeld || asked.cancelAsked || asked.skipAsked) return;
  for (const { at } of operator.resent.filter(
    (each) => each.messageId === id && each.endpointKey === endpointKey,
  )) {
    // One that was already under way, and not yet recorded, serves for both.
    const made = own.some(
      ({ trigger, exchange }) => trigger === 'manual' && endOf(exchange) > at - RECORDED_WITHIN_MS,
    );
    expect(made, `no attempt for the resend at ${at}, with crashes at ${kills}`).toBe(true);
  }
}

/**
 * The schedule's attempts keep its times, whatever resends do beside them, and end when one of either has arrived, or when the
 * message is too old.
 */
function checkAttempts(
  own: readonly Attempt[],
  about: { operator: Operator; expiresAt: number | null; endpointKey: number; hurryAsked: boolean },
): void {
  const { operator, expiresAt, endpointKey, hurryAsked } = about;
  const scheduled = own.filter(({ trigger }) => trigger === 'scheduled');
  for (const { number, trigger } of own) if (trigger === 'manual') expect(number).toBe(0);
  for (const { number, exchange } of scheduled) {
    expect(exchange.startedAt).toBeLessThanOrEqual(expiresAt ?? Number.POSITIVE_INFINITY);
    // Number 1: the first, or the first after it began anew.
    if (number === 1 || hurryAsked) continue;
    const delayMs = (DELAYS_MS[number - 2] as number) * (1 - JITTER);
    const keepsTime = scheduled.some(
      (before) =>
        before.number === number - 1 && exchange.startedAt >= Math.floor(endOf(before.exchange) + delayMs),
    );
    expect(keepsTime, `attempt ${number} at ${exchange.startedAt}`).toBe(true);
  }
  const arrived = own.find(({ exchange }) => succeeded(exchange));
  if (arrived === undefined || operator.replayedTo.has(endpointKey)) return;
  for (const { exchange } of scheduled)
    expect(exchange.startedAt).toBeLessThanOrEqual(endOf(arrived.exchange) + RECORDED_WITHIN_MS);
}

function endOf({ startedAt, durationMs }: { startedAt: number; durationMs: number }): number {
  return startedAt + durationMs;
}
