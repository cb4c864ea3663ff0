export const VALIDATIONS = ['off', 'warn', 'reject'] as const;
/** `warn`: it is taken, and its problems are told. `reject`: it is refused. */
export type Validation = (typeof VALIDATIONS)[number];

/** What a message is about: an action type, in the words of the Web Hooks API. */
export interface EventType {
  /** `ticket.created` */
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 7) of the body by version: `{"1": {…}}`. Examples of bodies stand in `examples` of a schema. */
  readonly schemas: Readonly<Record<string, unknown>> | null;
  /** Not offered any more, and not deliverable by name to new endpoints; messages of it are still taken. */
  readonly archived: boolean;
  readonly deprecated: boolean;
  /** Of applications' keys only those with one of these see it; null: every key does. */
  readonly featureFlags: readonly string[] | null;
  readonly groupName: string | null;
  /** What becomes of a payload that the schema does not allow. */
  readonly validation: Validation;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Who looks: `applicationKey` null is an operator. */
interface Viewer {
  readonly applicationKey: number | null;
  readonly featureFlags: readonly string[];
}

/** Operators see every event type; the key of an application those without flags, and those with a flag of its own. */
export function isVisibleTo({ featureFlags }: EventType, viewer: Viewer): boolean {
  if (viewer.applicationKey === null || featureFlags === null) return true;
  return featureFlags.some((flag) => viewer.featureFlags.includes(flag));
}

/** The body of example number `index` (from 0) of the first version, or null when the schema has none there. */
export function exampleOf({ schemas }: Pick<EventType, 'schemas'>, index = 0): unknown {
  const examples = asRecord(schemas?.['1'])?.examples;
  return Array.isArray(examples) ? (examples[index] ?? null) : null;
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
