import { TASKS_PER_APPLICATION } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Delivery, HeldReason } from '../model/delivery.ts';
import { type Endpoint, heldReason, mismatch } from '../model/endpoint.ts';
import { type EventType, isVisibleTo } from '../model/event-type.ts';
import type { Message } from '../model/message.ts';
import { chosenSchedule, type RetrySchedule } from '../model/retry-schedule.ts';
import type { ListedAttempt, Store } from '../store/store.ts';
import type { Explained, Explanation, LaneState, Problem, Rule, Wait } from './explanation.ts';
import { explanationText } from './explanation-text.ts';
import type { Reader } from './reader.ts';
import { shown } from './shown-delivery.ts';

export type { Explanation };

export interface ExplainerOptions {
  store: Pick<Store, 'deliveryFind' | 'deliveryBefore' | 'taskList'>;
  reader: Pick<Reader, 'lastAttempts'>;
  clock: Clock;
  /** Of endpoints that have none of their own. */
  retrySchedule: RetrySchedule;
  /** What memory knows of an endpoint's lane; null when it has none. */
  state(endpointKey: number): LaneState | null;
  /** Whether a request of it is under way. */
  sends(endpointKey: number, messageKey: number): boolean;
  /** Also an archived one. */
  eventType(name: string): Promise<EventType | null>;
  payloadProblems(
    eventType: string,
    payload: unknown,
    characters: number,
  ): { readonly problems: readonly Problem[] } | null;
}

export interface ExplanationAsked {
  /** Who looks; null: somebody who may see everything. */
  readonly viewer: Parameters<typeof isVisibleTo>[1] | null;
  /** Whether the caller has hung up: then nobody needs the rest. */
  isGone(): boolean;
}

/** Explanations between which nobody else gets a turn: 1 ms. */
const AT_ONCE = 25;

const FOR_OPERATORS: ExplanationAsked = { viewer: null, isGone: () => false };

/** Answers "why was this (not) delivered?" for any message and endpoint of one application. */
export class Explainer {
  readonly #options: ExplainerOptions;
  /** A message is explained for many endpoints in a row, and its payload can be large. */
  readonly #schemas = new WeakMap<Message, Promise<Explanation['schema']>>();

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /** Throws `too_many_requests`. */
  async explain(
    message: Message,
    endpoint: Endpoint,
    asked: ExplanationAsked = FOR_OPERATORS,
  ): Promise<Explanation> {
    const [explanation] = await this.explainAll(message, [endpoint], asked);
    return explanation as Explanation;
  }

  /** At each of these endpoints, in their order; fewer when the caller has hung up. Throws `too_many_requests`. */
  async explainAll(
    message: Message,
    endpoints: readonly Endpoint[],
    { viewer, isGone }: ExplanationAsked,
  ): Promise<Explanation[]> {
    const { store, reader, clock, eventType } = this.#options;
    const now = clock.now();
    const deliveries = new Map<number, Delivery>();
    for (const { key } of endpoints) {
      const [found] = await store.deliveryFind({ endpointKey: key, messageKeys: [message.key] });
      if (found !== undefined) deliveries.set(key, shown(found, now));
    }
    const lastAttempts = await reader.lastAttempts(message, [...deliveries.keys()], isGone);
    const known = await eventType(message.eventType);
    const sees = known !== null && (viewer === null || isVisibleTo(known, viewer));
    const explanations: Explanation[] = [];
    for (const endpoint of endpoints) {
      if (isGone()) break;
      // Each reads a few rows at once: others get their turn now and then.
      if (explanations.length % AT_ONCE === AT_ONCE - 1)
        await new Promise<void>((resolve) => clock.soon(resolve));
      const delivery = deliveries.get(endpoint.key) ?? null;
      const lastAttempt = lastAttempts.get(endpoint.key) ?? null;
      explanations.push(await this.#explain(message, endpoint, { delivery, lastAttempt, sees, now }));
    }
    return explanations;
  }

  async #explain(
    message: Message,
    endpoint: Endpoint,
    about: {
      readonly delivery: Delivery | null;
      readonly lastAttempt: ListedAttempt | null;
      /** Whether the caller may know the event type, and so what its schema says. */
      readonly sees: boolean;
      readonly now: number;
    },
  ): Promise<Explanation> {
    const { retrySchedule, state, sends } = this.#options;
    const { delivery, lastAttempt, sees, now } = about;
    const place = { messageKey: message.key, endpointKey: endpoint.key };
    const lane = state(endpoint.key);
    const waitsFor =
      delivery && waitOf(delivery, { message, endpoint, lane, now, sends: sends(endpoint.key, message.key) });
    const explained: Explained = {
      message,
      endpoint,
      delivery,
      rule: delivery === null ? ruleOf(message, endpoint) : null,
      waitsFor,
      behind: waitsFor === 'order' ? await this.#behind(place, now) : null,
      lane,
      lastAttempt,
      schedule: chosenSchedule(endpoint.retrySchedule, retrySchedule),
      release: delivery?.state === 'held' ? await this.#release(endpoint) : null,
      schema: sees ? await this.#schemaOf(message) : null,
      now,
    };
    return {
      endpoint,
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
      plannedAttempts: plannedAttempts(explained),
      schema: explained.schema,
      text: explanationText(explained),
    };
  }

  async #behind(
    place: { messageKey: number; endpointKey: number },
    now: number,
  ): Promise<Explained['behind']> {
    const before = await this.#options.store.deliveryBefore(place);
    return before && shown(before, now);
  }

  /** The newest task that lets go what is held for the endpoint. */
  async #release({ applicationKey, key }: Endpoint): Promise<string | null> {
    const tasks = await this.#options.store.taskList({
      applicationKey,
      kinds: ['release'],
      states: ['running'],
      limit: TASKS_PER_APPLICATION,
      before: null,
      after: null,
      fromEnd: true,
    });
    return tasks.findLast(({ targetKey }) => targetKey === key)?.id ?? null;
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
    return this.#options.payloadProblems(eventType, value, payload.length)?.problems ?? [];
  }
}

/** The rule that kept a message from an endpoint, as far as what they are now tells. */
function ruleOf(message: Message, endpoint: Endpoint): Rule {
  if (endpoint.createdAt > message.createdAt) return 'endpoint_newer';
  return mismatch(endpoint, message) ?? 'changed_since';
}

function waitOf(
  delivery: Delivery,
  about: { message: Message; endpoint: Endpoint; lane: LaneState | null; now: number; sends: boolean },
): Wait | null {
  const { state, nextAttemptAt, attemptCount } = delivery;
  const { message, endpoint, lane, now, sends } = about;
  if (state === 'held') return heldFor(delivery, endpoint);
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
  if (lane !== null && lane.inFlight >= Math.min(lane.limit, endpoint.maxInFlight)) return 'in_flight';
  return 'turn';
}

/** A disabled endpoint lets nothing go. Otherwise the reason of then counts: the end of a pause lets go what a pause held. */
function heldFor({ reason }: Delivery, endpoint: Endpoint): HeldReason {
  if (endpoint.disabled) return 'endpoint_disabled';
  return (reason as HeldReason | null) ?? 'endpoint_disabled';
}

function plannedAttempts({ delivery, schedule, lane, message, now }: Explained): number[] {
  if (delivery === null) return [];
  const { state, attemptCount, nextAttemptAt } = delivery;
  if ((state !== 'pending' && state !== 'sending') || nextAttemptAt === null) return [];
  const probeAt = lane?.breaker.probeAt ?? 0;
  const times = [Math.max(nextAttemptAt, now, probeAt)];
  for (const delayMs of schedule.delaysMs.slice(attemptCount)) times.push((times.at(-1) as number) + delayMs);
  return times.filter((at) => message.expiresAt === null || at < message.expiresAt);
}
