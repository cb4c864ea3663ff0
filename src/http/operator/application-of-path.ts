import type { Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { Application } from '../../model/application.ts';
import { applicationOrNull, knownApplicationOrNull } from '../authenticate.ts';
import type { HttpServices } from '../services.ts';
import { invalid } from '../validation.ts';
import { newApplication } from './application-in.ts';
import type { ApplicationIn } from './schemas/application.ts';

/** An `application` in a body, and where it stands there. */
export interface WantedApplication {
  readonly fields: Static<typeof ApplicationIn>;
  readonly at: readonly (string | number)[];
}

/** The application of a path, for an operator. Made now when it is not there and the body says how. */
export async function applicationOfPath(
  registry: HttpServices['registry'],
  ref: string,
  allWanted: readonly WantedApplication[],
): Promise<Application> {
  const present = await knownApplicationOrNull(registry, ref);
  if (present !== null && isMeant(present, ref, allWanted)) return present;
  const [wanted] = allWanted;
  if (!wanted)
    throw new ApiError('not_found', `There is no application ${JSON.stringify(ref.slice(0, 100))}.`);
  const { fields, at } = wanted;
  if (fields.uid !== ref) {
    const [kind, msg] = fields.uid
      ? ['application_uid_mismatch', 'must be the application of the path']
      : ['application_uid_missing', 'is needed to make the application of the path'];
    throw invalid([...at, 'uid'], msg, kind);
  }
  try {
    return await registry.applicationCreate(newApplication(fields, at));
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'conflict')) throw error;
    // Another call made it in between, unless its uid is the number of another.
    const made = await applicationOrNull(registry, ref);
    if (made?.uid === fields.uid) return made;
    throw error;
  }
}

/**
 * Whether the application that the path leads to is the one that the body is for. A number is given by this server, so
 * that a caller's own name can look like it: where the body says the uid, a number leads to that application or to none.
 */
function isMeant(found: Application, ref: string, allWanted: readonly WantedApplication[]): boolean {
  if (found.id === ref || found.uid === ref) return true;
  return allWanted.every(({ fields }) => (fields.uid ?? found.uid) === found.uid);
}
