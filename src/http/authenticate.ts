import { ApiError } from '../errors.ts';
import type { Application } from '../model/application.ts';
import type { Capability } from '../model/key.ts';
import type { Caller } from '../registry/keyring.ts';
import type { HttpServices } from './services.ts';

/** No key is longer; what is need not be hashed. */
const KEY_CHARACTERS_MOST = 512;
const BEARER = /^bearer +(\S+) *$/i;

/** The key of an `Authorization: Bearer …` header, or null. */
export function bearerKey(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  return BEARER.exec(authorization)?.[1] ?? null;
}

/** Who has this key; at once when the key was seen lately. Throws `authentication_failed`. */
export function callerOf(keyring: HttpServices['keyring'], key: string | null): Caller | Promise<Caller> {
  if (key === null) throw new ApiError('authentication_failed', 'Send a key: Authorization: Bearer <key>.');
  if (key.length > KEY_CHARACTERS_MOST) throw new ApiError('authentication_failed');
  const caller = keyring.authenticate(key);
  return caller instanceof Promise ? caller.then(known) : known(caller);
}

function known(caller: Caller | null): Caller {
  if (caller === null) throw new ApiError('authentication_failed');
  return caller;
}

/** Throws `insufficient access` unless the key is an operator's, which nothing limits. */
export function assertOperator(caller: Caller): void {
  if (caller.applicationKey !== null) {
    throw new ApiError(
      'insufficient access',
      'This call takes an operator key; this key is for one application.',
    );
  }
  if (caller.capabilities !== null) {
    throw new ApiError('insufficient access', 'This call takes an operator key without limits.');
  }
}

/** Whether a key that may be limited has one of these capabilities. An empty list asks for none. */
export function isCapable({ capabilities }: Caller, needs: Capability | readonly Capability[]): boolean {
  const wanted = [needs].flat();
  return capabilities === null || wanted.length === 0 || wanted.some((each) => capabilities.includes(each));
}

/** Throws `insufficient access` unless the key has one of these capabilities. */
export function assertCapable(caller: Caller, needs: Capability | readonly Capability[]): void {
  if (isCapable(caller, needs)) return;
  const wanted = [needs].flat().join(' or ');
  throw new ApiError('insufficient access', `This key is limited: this call takes one with ${wanted}.`);
}

/** The application that a path names. One that is unknown and one of somebody else look the same. */
export async function applicationFor(
  registry: HttpServices['registry'],
  caller: Caller,
  ref: string,
): Promise<Application> {
  const found = await applicationOrNull(registry, ref);
  if (found === null || (caller.applicationKey !== null && caller.applicationKey !== found.key)) {
    throw new ApiError('not_found', `There is no application ${JSON.stringify(ref.slice(0, 100))}.`);
  }
  return found;
}

/** As it is in the store now, and from here on its endpoints, too: another process may have changed them. */
export function applicationOrNull(
  registry: HttpServices['registry'],
  ref: string,
): Promise<Application | null> {
  return registry.applicationNow(ref).catch(nullIfNotFound);
}

/** As memory knows it: the store refuses to publish by what is too old. */
export function knownApplicationOrNull(
  registry: HttpServices['registry'],
  ref: string,
): Promise<Application | null> {
  return registry.application(ref).catch(nullIfNotFound);
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof ApiError && error.code === 'not_found') return null;
  throw error;
}
