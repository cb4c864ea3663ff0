import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { SCHEMA_PROBLEMS } from '../limits.ts';
import type { EventType, Validation } from '../model/event-type.ts';

export interface PayloadProblem {
  /** Names and indexes, from the payload on. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface PayloadProblems {
  readonly validation: Exclude<Validation, 'off'>;
  readonly problems: readonly PayloadProblem[];
}

interface Check {
  readonly eventType: EventType;
  readonly validation: PayloadProblems['validation'];
  /** Made when it is first needed. */
  validate: ValidateFunction | null;
}

const TOO_DEEP: PayloadProblem = { path: [], message: 'is too deep to be checked' };

/**
 * Whether payloads are as the schemas of their event types say. Only event types that ask for it are here: to all others it
 * costs a look into a map. Only operators write schemas, which become code.
 */
export class PayloadChecks {
  readonly #checks = new Map<string, Check>();

  /** Takes an event type as it is now. */
  set(eventType: EventType): void {
    const { name, validation, schemas } = eventType;
    if (validation === 'off' || schemas === null) this.#checks.delete(name);
    else this.#checks.set(name, { eventType, validation, validate: null });
  }

  delete(name: string): void {
    this.#checks.delete(name);
  }

  /** Whether payloads of this event type are checked at all: asked before one is parsed for it alone. */
  validation(name: string): Validation {
    return this.#checks.get(name)?.validation ?? 'off';
  }

  /** What its schema does not allow in a payload; null: nothing, or nobody asks. */
  problems(name: string, payload: unknown): PayloadProblems | null {
    const check = this.#checks.get(name);
    if (check === undefined) return null;
    check.validate ??= compiled(check.eventType.schemas);
    const { validation, validate } = check;
    try {
      if (validate(payload)) return null;
    } catch (error) {
      // A schema that refers to itself calls itself for each level of a payload, which can be as deep as it is long.
      if (error instanceof RangeError) return { validation, problems: [TOO_DEEP] };
      throw error;
    }
    const errors = validate.errors ?? [];
    return {
      validation,
      problems: errors.slice(0, SCHEMA_PROBLEMS).map((error) => problem(error, payload)),
    };
  }
}

/** Why payloads cannot be checked by these schemas; null: they can. */
export function schemaFault(schemas: EventType['schemas']): string | null {
  try {
    compiled(schemas);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function compiled(schemas: EventType['schemas']): ValidateFunction {
  // One for each: what one schema defines must not be there for another.
  const ajv = new Ajv({ strict: false, validateSchema: false, allErrors: true, logger: false });
  formats.default(ajv);
  const validate = ajv.compile(newestSchema(schemas));
  if ('$async' in validate) throw new Error('$async is no schema of payloads');
  return validate;
}

/** That of the highest version. Without any, everything is allowed. */
function newestSchema(schemas: EventType['schemas']): object | boolean {
  let newest: unknown = true;
  let highest = Number.NEGATIVE_INFINITY;
  for (const [version, schema] of Object.entries(schemas ?? {})) {
    // A version that is no number is older than all that are.
    const number = Number.isNaN(Number(version)) ? -1 : Number(version);
    if (number < highest) continue;
    highest = number;
    newest = schema;
  }
  return newest as object | boolean;
}

function problem({ instancePath, keyword, params, message }: ErrorObject, payload: unknown): PayloadProblem {
  const path: (string | number)[] = [];
  let at = payload;
  for (const step of instancePath.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(at) ? Number(name) : name);
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined;
  }
  // Where it is missing or too much, rather than where it would be.
  if (keyword === 'required') path.push(String(params.missingProperty));
  if (keyword === 'additionalProperties') path.push(String(params.additionalProperty));
  return { path, message: message ?? 'is not as the schema says' };
}
