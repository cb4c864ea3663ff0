import type { ErrorObject } from 'ajv';
import { SCHEMA_COMPILE_MS, SCHEMA_PROBLEMS } from '../limits.ts';
import type { EventType, Validation } from '../model/event-type.ts';
import { CompiledSchema, isDeep } from './compiled-schema.ts';

export interface PayloadProblem {
  /** Names and indexes, from the payload on. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface PayloadProblems {
  readonly validation: Exclude<Validation, 'off'>;
  readonly problems: readonly PayloadProblem[];
  /** The look at it was broken off: who looks at many breaks off, too. */
  readonly timedOut: boolean;
}

interface Check {
  readonly eventType: EventType;
  readonly validation: PayloadProblems['validation'];
  /** Made when it is first needed, after a start; or why it can't be. */
  schema: CompiledSchema | PayloadProblem | null;
}

/** A start is a busy time, and what is in the catalogue was compiled before: it has more time. */
const COMPILED_BEFORE_MS = 5 * SCHEMA_COMPILE_MS;

const UNCHECKED: PayloadProblem = { path: [], message: 'took too long to be checked' };
const TOO_DEEP: PayloadProblem = { path: [], message: 'is too deep to be checked' };
const ENDLESS: PayloadProblem = {
  path: [],
  message: 'cannot be checked: its schema is too large for that, or refers to itself without end',
};

/**
 * Whether payloads are as the schemas of their event types say. Only event types that ask for it are here: to all others it
 * costs a look into a map. Only operators write schemas, which become code.
 */
export class PayloadChecks {
  readonly #checks = new Map<string, Check>();

  /** Takes an event type as it is now. @param schema of it, where it is compiled already. */
  set(eventType: EventType, schema: CompiledSchema | null = null): void {
    const { name, validation, schemas } = eventType;
    if (validation === 'off' || schemas === null) this.#checks.delete(name);
    else this.#checks.set(name, { eventType, validation, schema });
  }

  /** That of an event type, where it is compiled. */
  compiled(name: string): CompiledSchema | null {
    const schema = this.#checks.get(name)?.schema;
    return schema instanceof CompiledSchema ? schema : null;
  }

  delete(name: string): void {
    this.#checks.delete(name);
  }

  /** Whether payloads of this event type are checked at all: asked before one is parsed for it alone. */
  validation(name: string): Validation {
    return this.#checks.get(name)?.validation ?? 'off';
  }

  /**
   * What its schema does not allow in a payload; null: nothing, or nobody asks. It takes up to `PAYLOAD_CHECK_MS`, three times.
   *
   * @param characters of the payload's text.
   */
  problems(name: string, payload: unknown, characters: number): PayloadProblems | null {
    const check = this.#checks.get(name);
    if (check === undefined) return null;
    const { validation } = check;
    check.schema ??= compiledOrFault(check.eventType);
    if (!(check.schema instanceof CompiledSchema)) {
      return { validation, problems: [check.schema], timedOut: false };
    }
    try {
      const { errors, timedOut } = check.schema.check(payload, characters);
      if (timedOut) return { validation, problems: [UNCHECKED], timedOut };
      if (errors.length === 0) return null;
      const told = errors.slice(0, SCHEMA_PROBLEMS);
      return { validation, problems: told.map((error) => problem(error, payload)), timedOut };
    } catch (error) {
      // A schema that refers to itself calls itself for each level of a payload, which can be as deep as it is long.
      if (!(error instanceof RangeError)) throw error;
      return { validation, problems: [isDeep(payload) ? TOO_DEEP : ENDLESS], timedOut: false };
    }
  }
}

/** A schema that payloads can be checked by; or why they can't be. */
export function compiledSchema(schemas: EventType['schemas']): CompiledSchema | string {
  try {
    return new CompiledSchema(schemas);
  } catch (error) {
    if (error instanceof RangeError) return 'it is too large, or refers to itself without end';
    return error instanceof Error ? error.message : String(error);
  }
}

function compiledOrFault({ schemas }: EventType): CompiledSchema | PayloadProblem {
  try {
    return new CompiledSchema(schemas, COMPILED_BEFORE_MS);
  } catch {
    return { path: [], message: 'cannot be checked: its schema cannot be compiled' };
  }
}

function problem(error: ErrorObject, payload: unknown): PayloadProblem {
  const { instancePath, params, message } = error;
  const path: (string | number)[] = [];
  let at = payload;
  for (const step of instancePath.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(at) ? Number(name) : name);
    at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined;
  }
  // Where it is missing or too much, rather than where it would be.
  const name =
    params.missingProperty ?? params.additionalProperty ?? params.propertyName ?? error.propertyName;
  if (name !== undefined) path.push(String(name));
  return { path, message: message ?? 'is not as the schema says' };
}
