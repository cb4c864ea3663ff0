import { PAYLOAD_CHECKS_TOO_LONG, SCHEMA_PROBLEMS } from '../../limits.ts';
import type { PayloadProblems } from '../../registry/payload-checks.ts';
import type { SchemaProblem } from '../operator/message-out.ts';
import type { HttpServices } from '../services.ts';
import { ValidationError } from '../validation.ts';
import type { ReadMessage } from './message-in.ts';

/** What the schemas do not allow in payloads that are taken all the same, by the message's place in the call. */
export type SchemaProblems = ReadonlyMap<number, readonly SchemaProblem[]>;

type Services = Pick<HttpServices, 'registry' | 'clock'>;

/** An answer is not to be as long as a payload is deep, or as a name in it is. */
const STEPS_SHOWN = 50;
const STEP_CHARACTERS = 256;
/** How long the checks of a batch go on before others get their turn. */
const STEP_MS = 5;

/**
 * Null: there is nothing to tell, which is found out by a look into a map for each message. Throws `validation` when the
 * event type of one has what its schema does not allow refused.
 */
export function schemaProblems(
  services: Services,
  read: readonly ReadMessage[],
  batch: boolean,
): Promise<SchemaProblems | null> | null {
  const { registry } = services;
  const isChecked = read.some(({ message }) => registry.payloadValidation(message.eventType) !== 'off');
  return isChecked ? checked(services, read, batch) : null;
}

async function checked(
  { registry, clock }: Services,
  read: readonly ReadMessage[],
  batch: boolean,
): Promise<SchemaProblems | null> {
  const told = new Map<number, readonly SchemaProblem[]>();
  const refused: SchemaProblem[] = [];
  let timedOut = 0;
  let turnEnds = clock.monotonic() + STEP_MS;
  for (const [index, message] of read.entries()) {
    const found = problemsOf(registry, message, timedOut < PAYLOAD_CHECKS_TOO_LONG);
    if (clock.monotonic() >= turnEnds && index < read.length - 1) {
      await new Promise<void>((resolve) => clock.soon(resolve));
      turnEnds = clock.monotonic() + STEP_MS;
    }
    if (found === null) continue;
    if (found.timedOut) timedOut++;
    const at = batch ? ['body', 'messages', index] : ['body'];
    const problems = shownProblems(found, placeOf(message, at));
    if (found.validation === 'reject') refused.push(...problems.slice(0, SCHEMA_PROBLEMS - refused.length));
    else told.set(index, problems);
  }
  if (refused.length > 0) {
    throw new ValidationError(refused.map((problem) => ({ ...problem, type: 'value_error' })));
  }
  return told.size === 0 ? null : told;
}

/** @param at where the payload stands. */
export function shownProblems(
  { problems }: Pick<PayloadProblems, 'problems'>,
  at: readonly (string | number)[],
): SchemaProblem[] {
  return problems.map(({ path, message }) => {
    const steps = path.slice(0, STEPS_SHOWN);
    const shown = steps.map((step) => (typeof step === 'string' ? step.slice(0, STEP_CHARACTERS) : step));
    return { loc: [...at, ...shown], msg: message };
  });
}

type Problems = Pick<PayloadProblems, 'validation' | 'problems'> & { readonly timedOut?: boolean };

/** @param goOn whether there is time for another check. */
function problemsOf(
  registry: HttpServices['registry'],
  { message, fields, payloadIn }: ReadMessage,
  goOn: boolean,
): Problems | null {
  const { eventType, payload } = message;
  const validation = registry.payloadValidation(eventType);
  if (validation === 'off') return null;
  if (!goOn) return { validation, problems: [NOT_REACHED] };
  if (payloadIn !== 'rawPayload')
    return registry.payloadProblems(eventType, fields[payloadIn], payload.length);
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return { validation, problems: [{ path: [], message: 'must be JSON' }] };
  }
  return registry.payloadProblems(eventType, value, payload.length);
}

const NOT_REACHED = { path: [], message: 'was not checked: the checks of those before it took too long' };

function placeOf({ payloadIn }: ReadMessage, at: readonly (string | number)[]): (string | number)[] {
  return payloadIn === 'rawPayload' ? [...at, 'transformationsParams', 'rawPayload'] : [...at, payloadIn];
}
