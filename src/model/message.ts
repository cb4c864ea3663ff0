import type { Delivery } from './delivery.ts';

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
  /** When the payload is expunged, ms since the Unix epoch; null: `PAYLOAD_KEPT_MS` after `createdAt`, the longest. */
  readonly payloadUntil: number | null;
  readonly createdAt: number;
  readonly deliveries: readonly NewDelivery[];
}

/** A delivery as it enters the store: already leased to this node (`sending`), waiting its turn, or held. */
export interface NewDelivery {
  readonly endpointKey: number;
  readonly state: Extract<Delivery['state'], 'sending' | 'pending' | 'held'>;
}
