import type { DeliveryState } from '../../model/delivery.ts';
import type { Message, NewMessage } from '../../model/message.ts';
import type { Stopped } from './deliveries.ts';
import type { Scanned } from './pages.ts';

/** Events that were accepted. */
export interface MessageStore {
  /**
   * Takes many publishes in one transaction. Each is taken whole or not at all; one refused does not hurt the others.
   * A delivery of a message with `deliverAt` is due then. An ordered one whose turn it is not has no time yet.
   */
  messageAccept(params: {
    publishes: readonly Publish[];
    fence: number;
    now: number;
  }): Promise<PublishResult[]>;
  /** By `msg_…` id, else by eventId. */
  messageFind(params: { applicationKey: number; ref: string }): Promise<Message | null>;
  /**
   * Newest first; `before` and `after` bound the id, both exclusive. With `after` alone, the messages next to it.
   * With a filter, at most `scan` rows are looked at: see `Scanned`. `payloadCharacters` bounds the payloads, counted from where the page begins: it ends with the first message that has no
   * room left (never the first of all), so that the caller sees that there is more.
   */
  messageList(params: {
    applicationKey: number;
    limit: number;
    before: string | null;
    after: string | null;
    withPayload: boolean;
    payloadCharacters?: number;
    filter?: MessageFilter;
    scan?: number;
  }): Promise<Scanned<Message>>;
  /** Counts the messages with ids from `from` and below `to` that a filter picks, of which at most `scan` are looked at. */
  messageCount(params: {
    applicationKey: number;
    filter: MessageFilter;
    from: string;
    to: string;
    scan: number;
  }): Promise<{ count: number; scanned: number; scannedTo: string | null }>;
  /**
   * Expunges the payloads of these messages, in their order, and cancels their open deliveries and resends
   * (`payload_expunged`), in one transaction. It ends with the message, at the earliest the first, with which `scan`
   * deliveries were looked at: `expunged` says how many messages are done.
   */
  messageExpunge(params: {
    messages: readonly MessageRef[];
    now: number;
    scan?: number;
  }): Promise<Stopped & { expunged: number }>;
  /**
   * Messages whose payload's time is over: those with a `payloadUntil` up to `now`, and those made before `keptSince`, at
   * most `limit`. What was expunged is not named again, and costs no look again.
   */
  messageListExpired(params: { now: number; keptSince: number; limit: number }): Promise<MessageRef[]>;
}

/** A message, by the keys that find it. */
export interface MessageRef {
  readonly applicationKey: number;
  readonly messageKey: number;
}

/** One publish call: one message, or a batch that is taken whole. */
export interface Publish {
  readonly applicationKey: number;
  /** `Application.revision`, by which it was decided what each message goes to. */
  readonly revision: number;
  readonly messages: readonly NewMessage[];
  /** SHA-256 of who asked, the key and the call; and of the body. */
  readonly idempotency: { readonly keyHash: Buffer; readonly bodyHash: Buffer } | null;
}

export type PublishResult =
  /** The messages' keys, in their order. */
  | { readonly kind: 'accepted'; readonly messageKeys: readonly number[] }
  /** The same key and body came before: the ids it was answered with then. */
  | { readonly kind: 'replayed'; readonly messageIds: readonly string[] }
  | { readonly kind: 'idempotency_mismatch' }
  | { readonly kind: 'event_id_taken'; readonly eventId: string }
  /** The application has another revision by now, or is gone: whoever asked reads it anew, and decides again. */
  | { readonly kind: 'stale' };

/** What a message must be like; what is left out does not matter. */
export interface MessageFilter {
  /** One of these; `ticket.*` for all that begin with `ticket.`. */
  readonly eventTypes?: readonly string[];
  readonly channel?: string;
  /** It has one of these. */
  readonly channels?: readonly string[];
  readonly tag?: string;
  /** It has a delivery to this endpoint; `states` and `statusClass` then speak of that. */
  readonly endpointKey?: number;
  /** It has no delivery to this endpoint. */
  readonly missingFor?: number;
  /** Only beside `endpointKey`: the last attempt was answered from this status on and below 100 more; 0: not at all. */
  readonly statusClass?: number;
  /** Whether it has any delivery. */
  readonly matched?: boolean;
  /** It has a delivery in one of these states. */
  readonly states?: readonly DeliveryState[];
  /** Its id, event id, event type or a tag is this text, or its payload contains it, as it is or in a spelling of
   * JSON (`model/json-spellings.ts`); case counts. */
  readonly text?: string;
}
