import type { NewDelivery, NewMessage } from '../../model/message.ts';
import { stateCode } from '../rows/delivery-states.ts';
import type { Publish } from '../store.ts';
import { bigints, integers, smallints, texts } from './arrays.ts';
import type { Column } from './columns.ts';

/** What every message has. */
export const MESSAGE_COLUMNS: readonly Column[] = [
  ['application_key', 'bigint'],
  ['created_at', 'bigint'],
  ['id', 'text'],
  ['event_type', 'text'],
  ['payload', 'text'],
];
/** Most messages have none of these. */
export const SELDOM_COLUMNS: readonly Column[] = [
  ['channels', 'text'],
  ['tags', 'text'],
  ['deliver_at', 'bigint'],
  ['expires_at', 'bigint'],
  ['ordering_key', 'text'],
  ['payload_until', 'bigint'],
];

/** What the batch went by: applications, and their revisions. */
export function revisionValues(publishes: readonly Publish[]): [Buffer, Buffer] {
  const applicationKeys: number[] = [];
  const revisions: number[] = [];
  const seen = new Map<number, number>();
  for (const { applicationKey, revision } of publishes) {
    if (seen.get(applicationKey) === revision) continue;
    seen.set(applicationKey, revision);
    applicationKeys.push(applicationKey);
    revisions.push(revision);
  }
  return [bigints(applicationKeys), bigints(revisions)];
}

/** The rows of a batch of publishes, column by column. Binding ten arrays costs less than a thousand values. */
export class PublishRows {
  readonly messages: NewMessage[] = [];
  /** Of each message. */
  readonly applicationKeys: number[] = [];
  /** The place of each delivery's message, from 1 on. */
  readonly places: number[] = [];
  readonly endpointKeys: number[] = [];
  readonly states: number[] = [];
  readonly times: (number | null)[] = [];
  readonly reasons: (string | null)[] = [];
  readonly orderKeys: (string | null)[] = [];
  /** Whether there is anything but what messages and deliveries usually have. */
  seldom = false;
  /** Endpoints for which something waits in the store, and when the first of it is due. */
  readonly waiting = new Map<number, number>();
  readonly #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  addMessage(applicationKey: number, message: NewMessage): void {
    this.messages.push(message);
    this.applicationKeys.push(applicationKey);
    this.seldom ||=
      message.channels !== null ||
      message.tags !== null ||
      message.deliverAt !== null ||
      message.expiresAt !== null ||
      message.orderingKey !== null ||
      message.payloadUntil !== null;
  }

  /** Of the message that was added last. `waits`: behind another one. */
  addDelivery(delivery: NewDelivery, waits: boolean): void {
    const { endpointKey, state, orderKey } = delivery;
    const { deliverAt } = this.messages[this.messages.length - 1] as NewMessage;
    const held = state === 'held';
    const dueAt = held || waits ? null : (deliverAt ?? this.#now);
    this.places.push(this.messages.length);
    this.endpointKeys.push(endpointKey);
    this.states.push(stateCode(state));
    this.times.push(dueAt);
    this.reasons.push(held ? delivery.reason : null);
    this.orderKeys.push(orderKey);
    this.seldom ||= held || orderKey !== null;
    if (state !== 'pending' || dueAt === null) return;
    const earlier = this.waiting.get(endpointKey);
    if (earlier === undefined || dueAt < earlier) this.waiting.set(endpointKey, dueAt);
  }

  /** In the order of MESSAGE_COLUMNS. */
  messageValues(): Buffer[] {
    const { messages } = this;
    return [
      bigints(this.applicationKeys),
      bigints(messages.map(({ createdAt }) => createdAt)),
      texts(messages.map(({ id }) => id)),
      texts(messages.map(({ eventType }) => eventType)),
      texts(messages.map(({ payload }) => payload)),
    ];
  }

  /** In the order of SELDOM_COLUMNS. */
  seldomValues(): Buffer[] {
    const { messages } = this;
    return [
      texts(messages.map(({ channels }) => list(channels))),
      texts(messages.map(({ tags }) => list(tags))),
      bigints(messages.map(({ deliverAt }) => deliverAt)),
      bigints(messages.map(({ expiresAt }) => expiresAt)),
      texts(messages.map(({ orderingKey }) => orderingKey)),
      bigints(messages.map(({ payloadUntil }) => payloadUntil)),
    ];
  }

  /** Places, endpoints and states. */
  deliveryValues(): Buffer[] {
    return [integers(this.places), bigints(this.endpointKeys), smallints(this.states)];
  }

  /** Times and reasons. */
  seldomDeliveryValues(): Buffer[] {
    return [bigints(this.times), texts(this.reasons)];
  }
}

function list(values: readonly string[] | null): string | null {
  return values === null ? null : JSON.stringify(values);
}
