import { type DeliveryReason, deliveryReasons } from '../model/delivery.ts';
import { type Endpoint, mismatch } from '../model/endpoint.ts';
import { succeeded } from '../model/exchange.ts';
import type { Message } from '../model/message.ts';
import type { ListedAttempt } from '../store/store.ts';
import type { Explained, Rule, Wait } from './explanation.ts';

/** The explanation in whole sentences: what is, why, and what a person can do about it. */
export function explanationText(explained: Explained): string {
  const { delivery, rule } = explained;
  const sentences =
    delivery === null ? [ruleTexts[rule ?? 'changed_since'](explained)] : ofDelivery(explained);
  return [...sentences, payloadText(explained)].filter((sentence) => sentence !== '').join(' ');
}

const ruleTexts: Record<Rule, (explained: Explained) => string> = {
  event_type: (explained) =>
    `${mismatchText(explained)} Add the event type to the endpoint; replay-missing then sends what it missed.`,
  channels: (explained) =>
    `${mismatchText(explained)} Add one of its channels to the endpoint; replay-missing then sends what it missed.`,
  endpoint_newer: (explained) => {
    const { message, endpoint } = explained;
    const newer = `The endpoint was made at ${time(endpoint.createdAt)}, after the message, which was made at ${time(message.createdAt)}.`;
    return mismatch(endpoint, message) === null
      ? `${newer} It gets such messages now: replay-missing sends it those that it missed.`
      : `${newer} ${mismatchText(explained)}`;
  },
  changed_since: ({ message }) =>
    `The endpoint gets such messages now, but did not get this one, which was made at ${time(message.createdAt)}: its event types or channels were changed since, or the message was for another endpoint only. Replay-missing sends it those that it missed.`,
};

function mismatchText({ message, endpoint }: Explained): string {
  const rule = mismatch(endpoint, message);
  if (rule === 'event_type')
    return `The endpoint does not ask for the event type ${message.eventType}, but for ${list(endpoint.eventTypes)}.`;
  const has = message.channels?.length ? `has the channels ${list(message.channels)}` : 'has no channel';
  return `The message ${has}, and the endpoint asks only for messages with one of ${list(endpoint.channels)}.`;
}

function ofDelivery(explained: Explained): string[] {
  const { delivery, waitsFor, lastAttempt, message } = explained;
  const attempt = lastAttempt === null ? '' : attemptText(lastAttempt, explained);
  switch (delivery?.state) {
    case 'succeeded':
      return [
        lastAttempt !== null && !succeeded(lastAttempt.exchange)
          ? 'It has arrived; a later attempt, which somebody asked for, did not.'
          : 'It has arrived.',
        attempt,
      ];
    case 'failed':
    case 'cancelled': {
      const reason = delivery.reason ?? (delivery.state === 'failed' ? 'retries_exhausted' : 'cancelled');
      const behind =
        delivery.state === 'failed' && delivery.orderKey !== null
          ? 'What comes after it in the order waits until it is retried or skipped.'
          : '';
      return [
        `It ${delivery.state === 'failed' ? 'has failed' : 'was cancelled'}. ${deliveryReasons[reason]}`,
        attempt,
        endTexts[reason](explained),
        behind,
      ];
    }
    default: {
      const waits =
        waitsFor === null ? 'It is on its way to the endpoint right now.' : waitTexts[waitsFor](explained);
      const until =
        message.expiresAt === null
          ? ''
          : `It is not sent any more from ${time(message.expiresAt)} on: it expires.`;
      return [waits, attempt, until];
    }
  }
}

const AGAIN =
  'Retry begins its schedule anew; resend makes one more attempt; recover does it for all that failed.';
const REPLAY = 'Bulk-replay or resend sends it all the same.';

/** What to do about a delivery that ended for a reason. */
const endTexts: Record<DeliveryReason, (explained: Explained) => string> = {
  retries_exhausted: () => AGAIN,
  final_status: () => `The endpoint's finalStatuses name it. ${AGAIN}`,
  endpoint_gone: ({ endpoint }) =>
    endpoint.disabled ? `Enable the endpoint when it is back, and then send it again. ${AGAIN}` : AGAIN,
  endpoint_disabled: () => REPLAY,
  endpoint_paused: () => REPLAY,
  endpoint_deleted: () => '',
  payload_expunged: () => 'It cannot be sent again.',
  expired: ({ message }) =>
    message.expiresAt === null
      ? REPLAY
      : `It expired at ${time(message.expiresAt)}. Resend sends it all the same.`,
  cancelled: () => REPLAY,
  skipped: () => REPLAY,
  discarded: () => REPLAY,
};

/** What an open delivery waits for, and how that ends. */
const waitTexts: Record<Wait, (explained: Explained) => string> = {
  deliver_at: ({ message, delivery }) =>
    `Its message is not to be delivered before ${time(message.deliverAt ?? delivery?.nextAttemptAt ?? 0)}: it waits for that. Retry sends it now.`,
  retry: ({ delivery, tries }) =>
    `It is tried again at ${time(delivery?.nextAttemptAt ?? 0)}, for the ${ordinal((delivery?.attemptCount ?? 0) + 1)} time of ${tries}. Retry does it now.`,
  order: ({ behind, delivery }) => {
    const order = delivery?.orderKey
      ? `The endpoint gets the messages with the ordering key ${JSON.stringify(delivery.orderKey)} one at a time, in the order of publishing.`
      : 'The endpoint gets its messages one at a time, in the order of publishing.';
    if (behind === null) return `${order} Its turn is about to come.`;
    const advice =
      behind.state === 'failed' || behind.state === 'held'
        ? 'Skip that one to go on without it, or retry it.'
        : 'It goes out once that one has arrived, or is skipped or cancelled.';
    return `${order} It waits behind the message ${behind.messageId}, whose delivery is ${behind.state}. ${advice}`;
  },
  breaker: ({ lane }) => {
    const probeAt = lane?.breaker.probeAt ?? null;
    const probe = probeAt === null ? '' : ` at ${time(probeAt)}`;
    return `The last ${lane?.breaker.failures ?? 0} requests to the endpoint failed, so that nothing goes to it but one delivery${probe}, to see whether it works again. What waits meanwhile loses no attempt. Resend goes out at once.`;
  },
  throttle: ({ endpoint }) => {
    const own =
      endpoint.throttleRate === null
        ? 'the throttle of its application'
        : `its throttle (${endpoint.throttleRate} a second)`;
    return `It is due, and waits because the endpoint gets no more deliveries a second than ${own} allows.`;
  },
  in_flight: ({ endpoint, lane }) =>
    `It is due, and waits because ${lane?.inFlight ?? endpoint.maxInFlight} requests are under way at the endpoint, as many as may be at once.`,
  turn: ({ delivery, now }) =>
    delivery?.nextAttemptAt != null && delivery.nextAttemptAt > now
      ? `A task lets it go at ${time(delivery.nextAttemptAt)}, as its rate has it.`
      : 'It is due, and goes out when its turn comes: the deliveries of all endpoints take turns.',
  endpoint_disabled: ({ endpoint, delivery }) => heldText(endpoint, delivery?.state === 'held'),
  endpoint_paused: ({ endpoint, delivery }) => heldText(endpoint, delivery?.state === 'held'),
};

function heldText(endpoint: Endpoint, isHeld: boolean): string {
  const is = isHeld ? 'It is held' : 'It is about to be held';
  if (endpoint.disabled) {
    const since = endpoint.disabledAt === null ? '' : ` since ${time(endpoint.disabledAt)}`;
    return `${is}: the endpoint is disabled${since}${disabledTexts[endpoint.disabledReason ?? 'manual']}. Enable it, and then release what is held, or discard it.`;
  }
  if (endpoint.pausedAt !== null)
    return `${is}: the endpoint is paused since ${time(endpoint.pausedAt)}. When the pause ends it goes out by itself.`;
  return `${is} although the endpoint takes deliveries again: a task is about to let it go, or release does.`;
}

const disabledTexts = {
  manual: ', by a person',
  gone: ', because it answered 410 Gone',
  failing: ', because it did nothing but fail for too long',
};

function attemptText({ id, exchange }: ListedAttempt, { delivery, tries }: Explained): string {
  const count = delivery?.attemptCount ?? 0;
  const of = count === 0 ? '' : ` ${count} of ${tries} tries of its schedule were made.`;
  const outcome =
    exchange.status === null
      ? `got no answer (${exchange.error?.code ?? 'internal_error'}: ${exchange.error?.message ?? ''})`
      : `was answered ${exchange.status}`;
  return `The last attempt, ${id} at ${time(exchange.startedAt)}, ${outcome}.${of}`;
}

function payloadText({ message, schema }: Explained): string {
  const gone = message.payload === null ? 'Its payload is gone.' : '';
  const first = schema?.problems[0];
  if (first === undefined) return gone;
  return `Its payload is not as the schema of ${message.eventType} says: ${['payload', ...first.path].join('.')} ${first.message}${schema?.problems.length === 1 ? '' : `, and ${(schema?.problems.length ?? 1) - 1} more`}.`;
}

const LISTED = 5;

function list(names: Message['channels']): string {
  const all = names ?? [];
  const more = all.length - LISTED;
  return more > 0 ? `${all.slice(0, LISTED).join(', ')} and ${more} more` : all.join(', ');
}

function time(at: number): string {
  return new Date(at).toISOString();
}

function ordinal(number: number): string {
  const tens = number % 100;
  if (tens >= 11 && tens <= 13) return `${number}th`;
  return `${number}${['th', 'st', 'nd', 'rd'][number % 10] ?? 'th'}`;
}
