import { type DeliveryReason, deliveryReasons } from '../model/delivery.ts';
import { mismatch } from '../model/endpoint.ts';
import { succeeded } from '../model/exchange.ts';
import type { Message } from '../model/message.ts';
import type { ListedAttempt } from '../store/store.ts';
import type { Explained, Rule } from './explanation.ts';
import { time, waitTexts } from './wait-text.ts';

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
    `The endpoint gets such messages now, but did not get this one, which was made at ${time(message.createdAt)}: its event types or channels were changed since, or the message was sent to another endpoint alone (send-example does that). Replay-missing sends it those that it missed.`,
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
      const end = delivery.state === 'failed' ? 'has failed' : 'was cancelled';
      const why = reason === 'expired' && wasGivenUp(explained) ? GIVEN_UP : deliveryReasons[reason];
      // What can be done about one without its payload is said where that is.
      const advice =
        message.payload === null && delivery.state === 'failed' ? '' : endTexts[reason](explained);
      return [`It ${end}. ${why}`, attempt, advice, blockText(explained)];
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

const GIVEN_UP = 'Its next try would have come after it expires.';

/** Whether it was cancelled before it expired, because its next try would have come too late. */
function wasGivenUp({ message, delivery, lastAttempt, schedule, now }: Explained): boolean {
  if (message.expiresAt === null || delivery === null || delivery.attemptCount === 0) return false;
  if (now < message.expiresAt) return true;
  if (lastAttempt?.trigger !== 'scheduled') return false;
  const { startedAt, durationMs } = lastAttempt.exchange;
  const delayMs = schedule.delaysMs[delivery.attemptCount - 1] ?? 0;
  return startedAt + durationMs < message.expiresAt && startedAt + durationMs + delayMs >= message.expiresAt;
}

/** What one that failed does to those behind it. */
function blockText({ delivery, message }: Explained): string {
  if (delivery?.state !== 'failed' || delivery.orderKey === null) return '';
  return message.payload === null
    ? 'What comes after it in the order waits until it is skipped: it cannot be sent again.'
    : 'What comes after it in the order waits until it is retried or skipped.';
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
      : `It expires at ${time(message.expiresAt)}. Resend sends it all the same.`,
  cancelled: () => REPLAY,
  skipped: () => REPLAY,
  discarded: () => REPLAY,
};

function attemptText({ id, exchange }: ListedAttempt, explained: Explained): string {
  const outcome =
    exchange.status === null
      ? `got no answer (${exchange.error?.code ?? 'internal_error'}: ${exchange.error?.message ?? ''})`
      : `was answered ${exchange.status}`;
  return `The last attempt, ${id} at ${time(exchange.startedAt)}, ${outcome}.${triesText(explained)}`;
}

/** How much of its schedule is used up. The endpoint's may have been made shorter since. */
function triesText({ delivery, schedule }: Explained): string {
  const count = delivery?.attemptCount ?? 0;
  const tries = schedule.delaysMs.length + 1;
  if (count === 0) return '';
  return count <= tries
    ? ` ${count} of ${tries} tries of its schedule were made.`
    : ` It was attempt ${count}; the endpoint's present schedule has ${tries}.`;
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
