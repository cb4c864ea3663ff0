import type { Application } from '../model/application.ts';
import type { NewMessage } from '../model/message.ts';
import type { Publish } from '../store/store.ts';

/** What a publisher hands over. */
export interface PublishMessage {
  readonly eventType: string;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** JSON text of an object, kept to the byte. */
  readonly payload: string;
  /** When delivery begins, ms since the Unix epoch; null, or a time that is over: at once. */
  readonly deliverAt: number | null;
  /** When it is not worth sending any more, ms since the Unix epoch; null: never. */
  readonly expiresAt: number | null;
  /** What endpoints that are ordered by key order it by. */
  readonly orderingKey: string | null;
  /** When the payload is expunged, ms since the Unix epoch; null: after `PAYLOAD_KEPT_MS`. */
  readonly payloadUntil: number | null;
}

export interface PublishRequest {
  readonly application: Application;
  /** At least one; taken whole or not at all. */
  readonly messages: readonly PublishMessage[];
  /** The one endpoint to send to, whatever its filters say; null: to all that want it. */
  readonly onlyEndpointKey: number | null;
  readonly idempotency: Publish['idempotency'];
}

export type PublishOutcome =
  | { readonly kind: 'accepted'; readonly messages: readonly NewMessage[] }
  /** The same call came before: the ids it was answered with then. */
  | { readonly kind: 'replayed'; readonly messageIds: readonly string[] };
