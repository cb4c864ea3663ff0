import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ApiError } from '../errors.ts';

/** One entry of a 422's `detail`. */
export interface Problem {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** `validation` with more than one problem, or with a type of its own. */
export class ValidationError extends ApiError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('validation', problems.map((problem) => problem.msg).join('; '));
    this.problems = problems;
  }
}

export function invalid(
  loc: readonly (string | number)[],
  msg: string,
  type = 'value_error',
): ValidationError {
  return new ValidationError([{ loc, msg, type }]);
}

/** What TypeBox says of one mismatch, as far as it is read here. */
export interface Mismatch {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

export type Check<Value> = (value: unknown, at?: readonly (string | number)[]) => asserts value is Value;

/**
 * A check that throws a `ValidationError`. With `at` the value is a part of the body: the problems' `loc` then begins
 * there and goes on by JSON names. Without, it is the body, and `loc` is what the official clients know.
 */
export function bodyCheck<Schema extends TSchema>(schema: Schema): Check<Static<Schema>> {
  const compiled = Compile(schema);
  const bounded = boundedArrays(schema);
  return (value, at) => {
    const tooLong = overlong(value, bounded);
    if (tooLong === null && compiled.Check(value)) return;
    const mismatches = tooLong ? [tooLong] : telling(compiled.Errors(value) as Mismatch[]);
    throw new ValidationError(
      mismatches.flatMap((mismatch) =>
        at ? plainProblems(mismatch, at) : wireProblems(mismatch, wireNames(schema)),
      ),
    );
  };
}

interface BoundedArray {
  readonly path: readonly string[];
  readonly most: number;
}

/** The members of an object, and of objects in it, that are arrays of at most so many items, or null. */
function boundedArrays(schema: object, path: readonly string[] = []): BoundedArray[] {
  const { properties = {} } = schema as { properties?: Record<string, object> };
  return Object.entries(properties).flatMap(([name, member]) => {
    const { anyOf = [member] } = member as { anyOf?: object[] };
    const at = [...path, name];
    const array = anyOf.find((each) => 'maxItems' in each) as { maxItems: number } | undefined;
    if (array !== undefined) return [{ path: at, most: array.maxItems }];
    return anyOf.flatMap((each) => boundedArrays(each, at));
  });
}

/**
 * The first array with too many items. Looked for before anything else: TypeBox would look at each of the items first, which
 * takes half a second for what a body can hold.
 */
function overlong(value: unknown, bounded: readonly BoundedArray[]): Mismatch | null {
  for (const { path, most } of bounded) {
    const member = memberAt(value, path);
    if (!Array.isArray(member) || member.length <= most) continue;
    const message = `must not have more than ${most} items`;
    return { keyword: 'maxItems', instancePath: `/${path.join('/')}`, message, params: { limit: most } };
  }
  return null;
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

/** What only says that another mismatch lies further in. */
const FOLLOWING = ['anyOf', 'additionalProperties'];

/** Leaves out what follows from another mismatch: that a nullable value is not null either, and what is around it. */
function telling(mismatches: readonly Mismatch[]): readonly Mismatch[] {
  const kept = mismatches.filter(({ keyword, params }) => {
    return (
      !FOLLOWING.includes(keyword) && !(keyword === 'type' && 'type' in params && params.type === 'null')
    );
  });
  return (kept.length > 0 ? kept : mismatches).map(told);
}

/** In words that help: TypeBox does not name the values of an enumeration, and says of a field that is not known that "schema is false". */
export function told(mismatch: Mismatch): Mismatch {
  const { keyword, params } = mismatch;
  if (keyword === 'boolean') return { ...mismatch, message: 'is not a field of this call' };
  if (keyword === 'format' && 'format' in params && params.format === 'date-time')
    return { ...mismatch, message: 'must be a date and time (RFC 3339), such as 2026-05-01T09:00:00Z' };
  return keyword === 'enum' && 'allowedValues' in params
    ? { ...mismatch, message: `must be one of ${(params.allowedValues as unknown[]).join(', ')}` }
    : mismatch;
}

function plainProblems(mismatch: Mismatch, at: readonly (string | number)[]): Problem[] {
  const loc = [...at, ...pathOf(mismatch.instancePath)];
  const missing = missingNames(mismatch);
  if (missing.length === 0) return [{ loc, msg: mismatch.message, type: 'value_error' }];
  return missing.map((name) => ({
    loc: [...loc, name],
    msg: `missing field \`${name}\``,
    type: 'value_error',
  }));
}

type WireNames = Readonly<Record<string, readonly string[]>>;

/** Fields that the protocol's server names in its own way once their JSON type is right. */
const WIRE_NAMES: WireNames = {
  eventType: ['event_type', '__all__'],
  eventId: ['uid', '__all__'],
  uid: ['uid', '__all__'],
  secret: ['key', '__all__'],
  key: ['key', '__all__'],
  channels: ['channels', '__all__'],
  throttleRate: ['throttle_rate'],
  rateLimit: ['rate_limit'],
  payloadRetentionPeriod: ['payload_retention_period'],
  gracePeriodSeconds: ['grace_period_seconds'],
  groupName: ['group_name', '__all__'],
};
/** There a name is one of its types of their own; elsewhere it is text. */
const WIRE_NAMES_OF_EVENT_TYPE: WireNames = { ...WIRE_NAMES, name: ['name', '__all__'] };
/** What that server looks at while it decodes. */
const DECODED = ['featureFlag', 'featureFlags'];

function wireNames(schema: TSchema): WireNames {
  return 'title' in schema && schema.title === 'EventTypeIn' ? WIRE_NAMES_OF_EVENT_TYPE : WIRE_NAMES;
}

function wireProblems(mismatch: Mismatch, names: WireNames): Problem[] {
  const path = pathOf(mismatch.instancePath);
  // A field that is not known has no name in the protocol.
  if (mismatch.keyword === 'boolean')
    return [{ loc: ['body', ...path], msg: mismatch.message, type: 'value_error' }];
  const missing = missingNames(mismatch);
  if (missing.length > 0 || mismatch.keyword === 'type' || DECODED.includes(String(path[0]))) {
    const loc = path.length === 0 ? WHOLE_BODY : ['body', ...path];
    const messages =
      missing.length > 0 ? missing.map((name) => `missing field \`${name}\``) : [mismatch.message];
    return messages.map((msg) => ({ loc, msg, type: 'value_error.jsondecode' }));
  }
  const name = path.at(-1);
  const wireName = typeof name === 'string' && Object.hasOwn(names, name) ? names[name] : undefined;
  const loc = wireName ? ['body', ...path.slice(0, -1), ...wireName] : ['body', ...path];
  return [{ loc, msg: mismatch.message, type: 'value_error' }];
}

/** `loc` of what is wrong with the body as a whole: the protocol's way to write its root. */
export const WHOLE_BODY: readonly string[] = ['body', '', ''];

function missingNames({ keyword, params }: Mismatch): string[] {
  return keyword === 'required' && 'requiredProperties' in params
    ? (params.requiredProperties as string[])
    : [];
}

/** A JSON pointer as the steps of a `loc`: array indexes as numbers. */
function pathOf(pointer: string): (string | number)[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step.replaceAll('~1', '/').replaceAll('~0', '~')));
}
