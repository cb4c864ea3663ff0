import { ENDPOINT_HEADERS, ENDPOINT_HEADERS_BYTES } from '../../limits.ts';
import { headerProblem } from '../../model/endpoint-header.ts';
import { invalid, type Problem, ValidationError } from '../validation.ts';

type Headers = Readonly<Record<string, string>>;

/** The headers of a body, for an endpoint that has no others. Throws `validation`. */
export function checkedHeaders(headers: Headers): Headers {
  return merged({}, headers, []);
}

/**
 * An endpoint's headers after a PATCH, whose null removes one. Names are the same in any case of letters; the newest way
 * to write one is kept. Throws `validation`.
 */
export function merged(
  current: Headers,
  changes: Readonly<Record<string, string | null>>,
  removed: readonly string[],
): Headers {
  assertValid(changes);
  const kept = new Map(Object.entries(current).map((header) => [header[0].toLowerCase(), header]));
  for (const name of removed) kept.delete(name.toLowerCase());
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) kept.delete(name.toLowerCase());
    else kept.set(name.toLowerCase(), [name, value]);
  }
  const headers = Object.fromEntries(kept.values());
  assertRoom(headers);
  return headers;
}

/** That server finds these while it decodes, hence the type. */
const TYPE = 'value_error.jsondecode';

function assertValid(headers: Readonly<Record<string, string | null>>): void {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const loc = ['body', 'headers', name];
    // One that is to be removed may have any name: it is not there, or was valid.
    const msg = value === null ? null : headerProblem(name, value);
    if (msg !== null) problems.push({ loc, msg, type: TYPE });
    if (seen.has(name.toLowerCase())) {
      problems.push({ loc, msg: 'is there twice: case does not count in names of headers', type: TYPE });
    }
    seen.add(name.toLowerCase());
  }
  if (problems.length > 0) throw new ValidationError(problems.slice(0, ENDPOINT_HEADERS));
}

function assertRoom(headers: Headers): void {
  const all = Object.entries(headers);
  if (all.length > ENDPOINT_HEADERS) throw invalid(['body', 'headers'], `are over ${ENDPOINT_HEADERS}`);
  const bytes = all.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (bytes > ENDPOINT_HEADERS_BYTES) {
    throw invalid(['body', 'headers'], `are over ${ENDPOINT_HEADERS_BYTES} bytes together`);
  }
}
