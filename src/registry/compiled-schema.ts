import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import {
  PAYLOAD_CHECK_MS,
  PAYLOAD_CHECKED_FREELY,
  PAYLOAD_CHECKED_WHOLE_CHARACTERS,
  SCHEMA_COMPILE_MS,
  SCHEMA_PROBLEMS,
} from '../limits.ts';
import type { EventType } from '../model/event-type.ts';
import { TOOK_TOO_LONG, within } from './deadline.ts';

/** What a schema does not allow; `timedOut`: nobody knows. */
export interface Verdict {
  readonly errors: readonly ErrorObject[];
  readonly timedOut: boolean;
}

/** The first look takes so many times the time of another: V8 compiles what it enters. */
const FIRST_LOOKS = 3;

const ALLOWED: Verdict = { errors: [], timedOut: false };

/**
 * A schema as code. Two ways to look at a payload: quick, up to the first problem, and thorough, up to the last, which takes
 * time by the square of the number of problems where a schema refers to itself. So only what is short and has one is looked
 * at thoroughly.
 */
export class CompiledSchema {
  readonly #schema: object | boolean;
  #quick: ValidateFunction;
  #stopsEarly: boolean;
  #looked = false;
  /** The longest payload that is looked at without a deadline. */
  readonly #freeCharacters: number;
  /** Made when it is first needed; `null`: it is too long for that. */
  #thorough: ValidateFunction | null | undefined;

  /** Throws when the schemas can't be compiled, or not in this time. */
  constructor(schemas: EventType['schemas'], timeoutMs = SCHEMA_COMPILE_MS) {
    this.#schema = newestSchema(schemas);
    const quick = within(timeoutMs, () => compiled(this.#schema));
    if (quick === TOOK_TOO_LONG) throw new Error('it takes too long to compile');
    this.#quick = quick.validate;
    this.#stopsEarly = quick.stopsEarly;
    const free = quick.stopsEarly && isBounded(this.#schema);
    this.#freeCharacters = free ? PAYLOAD_CHECKED_FREELY / JSON.stringify(this.#schema).length : 0;
  }

  /** @param characters of the payload's text. Throws `RangeError` when it has no end, or the payload is too deep for it. */
  check(payload: unknown, characters: number): Verdict {
    const quick = this.#firstError(payload, characters);
    if (quick === TOOK_TOO_LONG) return { errors: [], timedOut: true };
    if (quick.length === 0) return ALLOWED;
    if (characters > PAYLOAD_CHECKED_WHOLE_CHARACTERS) return { errors: quick, timedOut: false };
    return { errors: this.#allErrors(payload) ?? quick, timedOut: false };
  }

  #firstError(payload: unknown, characters: number): readonly ErrorObject[] | typeof TOOK_TOO_LONG {
    try {
      return this.#look(payload, characters);
    } catch (error) {
      // V8 compiles a definition when it is first entered, and may find only then that its blocks nest too deep.
      if (!(error instanceof RangeError) || !this.#stopsEarly || isDeep(payload)) throw error;
      const flat = within(SCHEMA_COMPILE_MS, () => compile(this.#schema, { allErrors: true }));
      if (flat === TOOK_TOO_LONG) return flat;
      this.#quick = flat;
      this.#stopsEarly = false;
      this.#looked = false;
      return this.#look(payload, characters);
    }
  }

  #look(payload: unknown, characters: number): readonly ErrorObject[] | typeof TOOK_TOO_LONG {
    const look = () => errorsOf(this.#quick, payload);
    if (characters <= this.#freeCharacters) return look();
    const found = within(this.#looked ? PAYLOAD_CHECK_MS : FIRST_LOOKS * PAYLOAD_CHECK_MS, look);
    this.#looked = true;
    // Once more: where the process itself stood still meanwhile, a good payload must not be refused.
    return found === TOOK_TOO_LONG ? within(PAYLOAD_CHECK_MS, look) : found;
  }

  #allErrors(payload: unknown): readonly ErrorObject[] | null {
    if (this.#thorough === null) return null;
    const isNew = this.#thorough === undefined;
    let found: readonly ErrorObject[] | typeof TOOK_TOO_LONG | null = null;
    try {
      found = within(PAYLOAD_CHECK_MS, () => {
        this.#thorough ??= compile(this.#schema, { allErrors: true });
        return errorsOf(this.#thorough, payload).slice(0, SCHEMA_PROBLEMS);
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    if (found !== TOOK_TOO_LONG && found !== null) return found;
    if (isNew && this.#thorough === undefined) this.#thorough = null;
    return null;
  }
}

function errorsOf(validate: ValidateFunction, payload: unknown): readonly ErrorObject[] {
  return validate(payload) ? [] : (validate.errors ?? []);
}

/** Up to the first problem, if possible: that is one block in another for each keyword, which can be too many for V8. */
function compiled(schema: object | boolean): { validate: ValidateFunction; stopsEarly: boolean } {
  for (const stopsEarly of [true, false]) {
    try {
      const validate = compile(schema, { allErrors: !stopsEarly });
      // What V8 makes of it when it is first called is part of the price; and a schema without end has none here either.
      validate({});
      return { validate, stopsEarly };
    } catch (error) {
      if (!(stopsEarly && error instanceof RangeError)) throw error;
    }
  }
  throw new Error('A schema was compiled in no way.');
}

function compile(schema: object | boolean, { allErrors }: { allErrors: boolean }): ValidateFunction {
  // One for each: what one schema defines must not be there for another. Inlined, 2,500 references to one definition of 60
  // properties are 150,000 properties of code, which is more than memory holds. Patterns of draft 7 are those without `u`.
  const options = { strict: false, validateSchema: false, logger: false } as const;
  const ajv = new Ajv({ ...options, inlineRefs: false, unicodeRegExp: false, allErrors });
  formats.default(ajv);
  const validate = ajv.compile(schema);
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

/** A reference among them: where a definition refers to itself by two ways, each level of a payload doubles the time. */
const UNBOUNDED = [
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
  'pattern',
  'patternProperties',
  'propertyNames',
  'uniqueItems',
];
/** Levels of a payload that no schema is too deep for. */
const PLAIN_DEPTH = 200;

export function isDeep(payload: unknown): boolean {
  let level = [payload];
  for (let passed = 0; passed < PLAIN_DEPTH; passed++) {
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}

/** Formats that most schemas have, looked at in one pass. */
const PLAIN_FORMATS = ['date', 'date-time', 'ipv4', 'time', 'uuid'];

/** Names of properties and values count as keywords, too: then a look has a deadline that it would not need. */
function isBounded(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return true;
  return Object.entries(schema).every(([name, value]) => {
    if (UNBOUNDED.includes(name)) return false;
    if (name === 'format' && !PLAIN_FORMATS.includes(value)) return false;
    return isBounded(value);
  });
}
