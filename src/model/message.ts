import type { HeldReason } from './delivery.ts';

/** One accepted event. Its id is the `webhook-id` of every delivery. */
export interface Message {
  readonly key: number;
  readonly applicationKey: number;
  /** `msg_…` */
  readonly id: string;
  /** The publisher's own id, unique in the application, or null. */
  readonly eventId: string | null;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** The JSON text that the publisher sent, to the byte; null once it was expunged. */
  readonly payload: string | null;
  /** When delivery begins, ms since the Unix epoch; null: at once. */
  readonly deliverAt: number | null;
  /** When it is not worth sending any more, ms since the Unix epoch; null: never. */
  readonly expiresAt: number | null;
  /** What endpoints that are ordered by key order it by. */
  readonly orderingKey: string | null;
  /** Whether any endpoint wanted it. */
  readonly matched: boolean;
  readonly createdAt: number;
}

/** A message on its way into the store, with the deliveries that fan-out made for it. */
export interface NewMessage {
  readonly id: string;
  readonly eventId: string | null;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly payload: string;
  readonly deliverAt: number | null;
  readonly expiresAt: number | null;
  readonly orderingKey: string | null;
  /** When the payload is expunged, ms since the Unix epoch; null: `PAYLOAD_KEPT_MS` after `createdAt`, the longest. */
  readonly payloadUntil: number | null;
  readonly createdAt: number;
  readonly deliveries: readonly NewDelivery[];
}

/**
 * A delivery as it enters the store: already leased to this node (`sending`), waiting its turn, or held. An ordered one is
 * never leased at once: the store knows whether it is its turn.
 */
export type NewDelivery =
  | {
      readonly endpointKey: number;
      readonly state: 'sending' | 'pending';
      readonly orderKey: string | null;
    }
  | {
      readonly endpointKey: number;
      readonly state: 'held';
      readonly reason: HeldReason;
      readonly orderKey: string | null;
    };
