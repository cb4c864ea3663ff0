/** What a message is about: an action type, in the words of the Web Hooks API. */
export interface EventType {
  /** `ticket.created` */
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 7) of the body, or null. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  /** A body that is valid against the schema, or null. */
  readonly example: Readonly<Record<string, unknown>> | null;
  readonly archived: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}
