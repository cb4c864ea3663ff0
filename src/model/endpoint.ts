/** A registered URL: a web hook, in the words of the Web Hooks API. */
export interface Endpoint {
  readonly key: number;
  readonly applicationKey: number;
  /** `ep_…` */
  readonly id: string;
  /** `{company}_{YYYYMMDDHHMMSS}`: the id that the Web Hooks API shows. */
  readonly webHookId: string;
  readonly uid: string | null;
  /** As it was given. */
  readonly url: string;
  /** The parsed form of `url`: what is dialled. */
  readonly href: string;
  readonly description: string;
  readonly disabled: boolean;
  /** Event types wanted; null: all. */
  readonly eventTypes: readonly string[] | null;
  /** Channels wanted; null: all. */
  readonly channels: readonly string[] | null;
  /** Deliveries a second, or null for no limit. */
  readonly throttleRate: number | null;
  /** A number of the caller's own, which older clients of the protocol set; nothing here reads it. */
  readonly version: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Extra request headers as JSON, encrypted (`model/sealed.ts`): they can carry credentials. Null: none. */
  readonly sealedHeaders: Buffer | null;
  /** The signing secrets as a JSON list, encrypted: the current one, then those rotated out, newest first. */
  readonly sealedSecret: Buffer;
  /** When each secret that was rotated out ends, in their order, ms since the Unix epoch. */
  readonly secretExpiries: readonly number[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Whether an endpoint wants a message. Ordered: the first rule that refuses is the one that `explain` names. */
export function matches(
  endpoint: Endpoint,
  message: { eventType: string; channels: readonly string[] | null },
): boolean {
  if (endpoint.eventTypes !== null && !endpoint.eventTypes.includes(message.eventType)) return false;
  if (endpoint.channels === null) return true;
  return message.channels?.some((channel) => endpoint.channels?.includes(channel)) ?? false;
}
