import type { Endpoint } from '../model/endpoint.ts';
import type { Explained, Wait } from './explanation.ts';

/** What an open delivery waits for, and how that ends. */
export const waitTexts: Record<Wait, (explained: Explained) => string> = {
  deliver_at: (explained) =>
    `Its message is not to be delivered before ${time(explained.message.deliverAt ?? explained.delivery?.nextAttemptAt ?? 0)}: it waits for that. Retry sends it now.${breakerToo(explained)}`,
  retry: (explained) => {
    const { delivery, schedule } = explained;
    const number = (delivery?.attemptCount ?? 0) + 1;
    const tries = schedule.delaysMs.length + 1;
    const which =
      number <= tries
        ? `for the ${ordinal(number)} time of ${tries}`
        : `as attempt ${number}; by the endpoint's present schedule, which has ${tries}, there are no more after it`;
    return `It is tried again at ${time(delivery?.nextAttemptAt ?? 0)}, ${which}. Retry does it now.${breakerToo(explained)}`;
  },
  order: (explained) => {
    const { delivery } = explained;
    const order = delivery?.orderKey
      ? `The endpoint gets the messages with the ordering key ${JSON.stringify(delivery.orderKey)} one at a time, in the order of publishing.`
      : 'The endpoint gets its messages one at a time, in the order of publishing.';
    return `${order} ${behindText(explained)}`;
  },
  breaker: ({ lane }) => {
    const failures = lane?.breaker.failures ?? null;
    const requests = failures === null ? 'requests' : `${failures} requests`;
    const failed = `The last ${requests} to the endpoint failed, so that nothing goes to it but one delivery at a time, to see whether it works again.`;
    const probeAt = lane?.breaker.probeAt ?? null;
    const unseen =
      failures === null
        ? 'Another node sends them: this one goes out when it is its turn there.'
        : 'One is under way, and this one goes out after it.';
    const probe =
      probeAt === null
        ? unseen
        : `The next one, whichever is due first, goes out at ${time(probeAt)}, and this one then or later.`;
    return `${failed} ${probe} What waits meanwhile loses no attempt. Resend or retry goes out at once.`;
  },
  throttle: ({ endpoint }) => {
    const own =
      endpoint.throttleRate === null
        ? 'the throttle of its application'
        : `its throttle (${endpoint.throttleRate} a second)`;
    return `It is due, and waits because the endpoint gets no more deliveries a second than ${own} allows.`;
  },
  in_flight: ({ endpoint, lane }) => {
    const { inFlight = endpoint.maxInFlight, limit = endpoint.maxInFlight } = lane ?? {};
    const count = inFlight === 1 ? '1 request is' : `${inFlight} requests are`;
    return limit < endpoint.maxInFlight
      ? `It is due, and waits because ${count} under way at the endpoint, which is as many as it gets at present. It gets one more with each answer, up to ${endpoint.maxInFlight}.`
      : `It is due, and waits because ${count} under way at the endpoint, as many as may be at once.`;
  },
  turn: ({ delivery, now }) =>
    delivery?.nextAttemptAt != null && delivery.nextAttemptAt > now
      ? `A task lets it go at ${time(delivery.nextAttemptAt)}, as its rate has it.`
      : 'It is due, and goes out when its turn comes: the deliveries of all endpoints take turns.',
  endpoint_disabled: heldText,
  endpoint_paused: heldText,
};

export function time(at: number): string {
  return new Date(at).toISOString();
}

/** One that waits for a time of its own goes out then only if the breaker lets it. */
function breakerToo({ lane }: Explained): string {
  if (!lane?.breaker.open) return '';
  const { failures } = lane.breaker;
  const after = failures === null ? '' : ` after ${failures} failures`;
  return ` The endpoint's breaker is open${after}, so that it goes out then as the probe, or later.`;
}

function behindText({ behind, now }: Explained): string {
  if (behind === null) return 'Its turn is about to come.';
  const waits = `It waits behind the message ${behind.messageId}, whose delivery`;
  const { state, nextAttemptAt, attemptCount } = behind;
  if (state === 'failed')
    return `${waits} has failed. Skip that one to go on without it, or retry it. When this one goes out is not known before.`;
  if (state === 'held')
    return `${waits} is held. Release what is held, or skip that one to go on without it. When this one goes out is not known before.`;
  const goesOn = 'It goes out once that one has arrived, or is skipped or cancelled.';
  if (nextAttemptAt === null || nextAttemptAt <= now) return `${waits} is ${state}. ${goesOn}`;
  const what = attemptCount > 0 ? 'its retry at' : 'its time,';
  return `${waits} waits for ${what} ${time(nextAttemptAt)}. ${goesOn}`;
}

function heldText({ endpoint, delivery, release }: Explained): string {
  const isHeld = delivery?.state === 'held';
  const is = isHeld ? 'It is held' : 'It is about to be held';
  if (endpoint.disabled) {
    const since = endpoint.disabledAt === null ? '' : ` since ${time(endpoint.disabledAt)}`;
    return `${is}: the endpoint is disabled${since}${disabledTexts[endpoint.disabledReason ?? 'manual']}. Enable it, and then release what is held, or discard it.`;
  }
  const heldBefore = isHeld && delivery.reason === 'endpoint_disabled';
  if (endpoint.pausedAt !== null && heldBefore)
    return `${is} since the endpoint was disabled. The endpoint is enabled again, and paused since ${time(endpoint.pausedAt)}. The end of the pause does not send what was held before it: then release what is held (held/release), or discard it (held/discard).`;
  if (endpoint.pausedAt !== null)
    return `${is}: the endpoint is paused since ${time(endpoint.pausedAt)}. When the pause ends it goes out by itself.`;
  return `${is} since the endpoint was ${heldBefore ? 'disabled' : 'paused'}. The endpoint takes deliveries again${release === null ? ': what was held before waits for held/release, which sends it, or held/discard' : `, and the task ${release} lets go what is held`}.`;
}

const disabledTexts: Record<NonNullable<Endpoint['disabledReason']>, string> = {
  manual: ', by a person',
  gone: ', because it answered 410 Gone',
  failing: ', because it did nothing but fail for too long',
};

function ordinal(number: number): string {
  const tens = number % 100;
  if (tens >= 11 && tens <= 13) return `${number}th`;
  return `${number}${['th', 'st', 'nd', 'rd'][number % 10] ?? 'th'}`;
}
