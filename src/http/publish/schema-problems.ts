import { SCHEMA_PROBLEMS } from '../../limits.ts';
import type { PayloadProblems } from '../../registry/payload-checks.ts';
import type { SchemaProblem } from '../operator/message-out.ts';
import type { HttpServices } from '../services.ts';
import { ValidationError } from '../validation.ts';
import type { ReadMessage } from './message-in.ts';

/** What the schemas do not allow in payloads that are taken all the same, by the message's place in the call. */
export type SchemaProblems = ReadonlyMap<number, readonly SchemaProblem[]>;

type Registry = Pick<HttpServices['registry'], 'payloadProblems' | 'payloadValidation'>;

/** An answer is not to be as long as a payload is deep, or as a name in it is. */
const STEPS_SHOWN = 50;
const STEP_CHARACTERS = 256;

/**
 * Null: there is nothing to tell, which is found out by a look into a map for each message. Throws `validation` when the
 * event type of one has what its schema does not allow refused.
 */
export function schemaProblems(
  registry: Registry,
  read: readonly ReadMessage[],
  batch: boolean,
): SchemaProblems | null {
  let told: Map<number, readonly SchemaProblem[]> | null = null;
  const refused: SchemaProblem[] = [];
  read.forEach((message, index) => {
    const found = problemsOf(registry, message);
    if (found === null) return;
    const at = batch ? ['body', 'messages', index] : ['body'];
    const problems = shownProblems(found, placeOf(message, at));
    if (found.validation === 'reject') {
      refused.push(...problems.slice(0, SCHEMA_PROBLEMS - refused.length));
      return;
    }
    told ??= new Map();
    told.set(index, problems);
  });
  if (refused.length > 0) {
    throw new ValidationError(refused.map((problem) => ({ ...problem, type: 'value_error' })));
  }
  return told;
}

/** @param at where the payload stands. */
export function shownProblems(
  { problems }: PayloadProblems,
  at: readonly (string | number)[],
): SchemaProblem[] {
  return problems.map(({ path, message }) => {
    const steps = path.slice(0, STEPS_SHOWN);
    const shown = steps.map((step) => (typeof step === 'string' ? step.slice(0, STEP_CHARACTERS) : step));
    return { loc: [...at, ...shown], msg: message };
  });
}

function problemsOf(registry: Registry, { message, fields, payloadIn }: ReadMessage): PayloadProblems | null {
  const { eventType, payload } = message;
  if (payloadIn !== 'rawPayload') return registry.payloadProblems(eventType, fields[payloadIn]);
  const validation = registry.payloadValidation(eventType);
  if (validation === 'off') return null;
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return { validation, problems: [{ path: [], message: 'must be JSON' }] };
  }
  return registry.payloadProblems(eventType, value);
}

function placeOf({ payloadIn }: ReadMessage, at: readonly (string | number)[]): (string | number)[] {
  return payloadIn === 'rawPayload' ? [...at, 'transformationsParams', 'rawPayload'] : [...at, payloadIn];
}
