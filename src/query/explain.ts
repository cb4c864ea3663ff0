import type { Clock } from '../model/clock.ts';
import type { Delivery, HeldReason } from '../model/delivery.ts';
import { type Endpoint, heldReason, mismatch } from '../model/endpoint.ts';
import type { EventType } from '../model/event-type.ts';
import type { Message } from '../model/message.ts';
import { chosenSchedule, type RetrySchedule } from '../model/retry-schedule.ts';
import type { Store } from '../store/store.ts';
import type { Explained, Explanation, LaneState, Problem, Rule, Wait } from './explanation.ts';
import { explanationText } from './explanation-text.ts';
import type { Reader } from './reader.ts';
import { shown } from './shown-delivery.ts';

export type { Explanation };

export interface ExplainerOptions {
  store: Pick<Store, 'deliveryFind' | 'deliveryBefore'>;
  reader: Pick<Reader, 'lastAttempt'>;
  clock: Clock;
  /** Of endpoints that have none of their own. */
  retrySchedule: RetrySchedule;
  /** What memory knows of an endpoint's lane; null when it has none. */
  state(endpointKey: number): LaneState | null;
  /** Whether a request of it is under way. */
  sends(endpointKey: number, messageKey: number): boolean;
  /** Also an archived one. */
  eventType(name: string): Promise<EventType | null>;
  payloadProblems(eventType: string, payload: unknown): { readonly problems: readonly Problem[] } | null;
}

/** Answers "why was this (not) delivered?" for any message and endpoint of one application. */
export class Explainer {
  readonly #options: ExplainerOptions;
  /** A message is explained for many endpoints in a row, and its payload can be large. */
  readonly #schemas = new WeakMap<Message, Promise<Explanation['schema']>>();

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /** Throws `too_many_requests`. */
  async explain(message: Message, endpoint: Endpoint): Promise<Explanation> {
    const { store, reader, clock, retrySchedule, state, sends } = this.#options;
    const now = clock.now();
    const place = { messageKey: message.key, endpointKey: endpoint.key };
    const [found] = await store.deliveryFind({ endpointKey: endpoint.key, messageKeys: [message.key] });
    const delivery = found === undefined ? null : shown(found, now);
    const schedule = chosenSchedule(endpoint.retrySchedule, retrySchedule);
    const lane = state(endpoint.key);
    const waitsFor =
      delivery && waitOf(delivery, { message, endpoint, lane, now, sends: sends(endpoint.key, message.key) });
    const explained: Explained = {
      message,
      endpoint,
      delivery,
      rule: delivery === null ? ruleOf(message, endpoint) : null,
      waitsFor,
      behind: waitsFor === 'order' ? await store.deliveryBefore(place) : null,
      lane,
      lastAttempt: delivery && (await reader.lastAttempt(message, endpoint)),
      tries: schedule.delaysMs.length + 1,
      schema: await this.#schemaOf(message),
      now,
    };
    return {
      endpointId: endpoint.id,
      messageId: message.id,
      matched: delivery !== null,
      rule: explained.rule,
      state: delivery?.state ?? null,
      reason: delivery?.reason ?? null,
      waitsFor,
      behind: explained.behind?.messageId ?? null,
      attemptCount: delivery?.attemptCount ?? 0,
      lastAttempt: explained.lastAttempt,
      nextAttemptAt: delivery?.nextAttemptAt ?? null,
      plannedAttempts: delivery === null ? [] : plannedAttempts(delivery, schedule, message.expiresAt, now),
      schema: explained.schema,
      text: explanationText(explained),
    };
  }

  #schemaOf(message: Message): Promise<Explanation['schema']> {
    const found = this.#schemas.get(message) ?? this.#schema(message);
    this.#schemas.set(message, found);
    return found;
  }

  async #schema({ eventType: name, payload }: Message): Promise<Explanation['schema']> {
    const { eventType } = this.#options;
    const known = await eventType(name);
    if (payload === null || known === null || known.validation === 'off' || known.schemas === null)
      return null;
    const problems = this.#problems(name, payload);
    return { valid: problems.length === 0, problems };
  }

  #problems(eventType: string, payload: string): readonly Problem[] {
    let value: unknown;
    try {
      value = JSON.parse(payload);
    } catch {
      // A raw payload can be any text.
      return [{ path: [], message: 'must be JSON' }];
    }
    return this.#options.payloadProblems(eventType, value)?.problems ?? [];
  }
}

/** The rule that kept a message from an endpoint, as far as what they are now tells. */
function ruleOf(message: Message, endpoint: Endpoint): Rule {
  if (endpoint.createdAt > message.createdAt) return 'endpoint_newer';
  return mismatch(endpoint, message) ?? 'changed_since';
}

function waitOf(
  { state, reason, nextAttemptAt, attemptCount }: Delivery,
  about: { message: Message; endpoint: Endpoint; lane: LaneState | null; now: number; sends: boolean },
): Wait | null {
  const { message, endpoint, lane, now, sends } = about;
  if (state === 'held') return heldReason(endpoint) ?? (reason as HeldReason | null) ?? 'endpoint_disabled';
  if (state !== 'pending' && state !== 'sending') return null;
  // What is sent right now ends as it may; the rest will be held.
  if (state === 'sending' && sends) return null;
  const held = heldReason(endpoint);
  if (held !== null) return held;
  if (state === 'pending' && nextAttemptAt === null) return 'order';
  if (nextAttemptAt !== null && nextAttemptAt > now) {
    if (attemptCount > 0) return 'retry';
    // Not yet tried: its message's time, or the pace of a task that lets it go.
    return message.deliverAt !== null && message.deliverAt > now ? 'deliver_at' : 'turn';
  }
  if (lane?.breaker.open) return 'breaker';
  if (lane?.throttled) return 'throttle';
  if (lane !== null && lane.inFlight >= endpoint.maxInFlight) return 'in_flight';
  return 'turn';
}

function plannedAttempts(
  { state, attemptCount, nextAttemptAt }: Delivery,
  { delaysMs }: RetrySchedule,
  expiresAt: number | null,
  now: number,
): number[] {
  if ((state !== 'pending' && state !== 'sending') || nextAttemptAt === null) return [];
  const times = [Math.max(nextAttemptAt, now)];
  for (const delayMs of delaysMs.slice(attemptCount)) times.push((times.at(-1) as number) + delayMs);
  return times.filter((at) => expiresAt === null || at < expiresAt);
}
