import createClient from 'openapi-fetch';
import type { SessionOut } from '../../../src/http/console/session-out.ts';
import { HOME } from '../home.ts';
import { Problem, problemFrom } from './problem.ts';
import type { components, paths } from './schema.d.ts';

export type Session = SessionOut;
export type { HookFigures } from '../../../src/http/console/figures-out.ts';

type Schemas = components['schemas'];
export type Capability = NonNullable<Schemas['AppPortalAccessIn']['capabilities']>[number];
export type Application = Schemas['ApplicationOut'];
export type Hook = Schemas['EndpointOut'];
export type HookIn = Schemas['EndpointIn'];
export type HookPatch = Schemas['EndpointPatch'];
export type Attempt = Schemas['MessageAttemptOut'];
export type EventType = Schemas['EventTypeOut'];

/** The server lets only pages in that set it: another site's cannot. */
const MARK = { 'x-posthorn-console': '1' };

let signedOut: () => void = () => {};

/** Called when an answer says that the session is over. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

async function marked(request: Request): Promise<Response> {
  const answer = await fetch(request);
  if (answer.status === 401) signedOut();
  return answer;
}

/** The operator API as the server's OpenAPI document has it, called as whoever is signed in. */
const client = createClient<paths>({ baseUrl: `${location.origin}${HOME}`, headers: MARK, fetch: marked });

/** Unwraps an answer of `api`; throws a `Problem` when it is none. */
export async function ok<Data>(
  call: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Data> {
  let answer: Awaited<typeof call>;
  try {
    answer = await call;
  } catch {
    throw Problem.unreachable();
  }
  if (!answer.response.ok) throw problemFrom(answer.response.status, answer.error);
  return answer.data as Data;
}

export const api = client;

/** What the console alone has, below its own path. */
export async function own<Data>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<Data> {
  let answer: Response;
  try {
    answer = await fetch(`${HOME}${path}`, {
      method,
      headers: MARK,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    throw Problem.unreachable();
  }
  const text = await answer.text();
  const parsed: unknown = text === '' ? null : parsedJson(text);
  if (answer.ok) return parsed as Data;
  if (answer.status === 401 && path !== '/session') signedOut();
  throw problemFrom(answer.status, parsed);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
