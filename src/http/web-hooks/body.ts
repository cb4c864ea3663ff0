import { isUtf8 } from 'node:buffer';
import { stringEnd, valueStart } from '../raw-json.ts';
import { parseJson } from '../read-body.ts';
import { WebHookError } from './errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The `web_hook` object of a create or update. Whatever else is in the body is ignored. */
export function webHookOf(body: Buffer): Fields {
  const { value } = parseJson(body);
  if (!isObject(value)) throw new WebHookError(400, { body: ['must be a JSON object with a web_hook'] });
  const webHook = own(value, 'web_hook');
  if (webHook === undefined || webHook === null)
    throw new WebHookError(400, { web_hook: ["can't be blank"] });
  if (!isObject(webHook)) throw new WebHookError(400, { web_hook: ['must be an object with a url'] });
  return webHook;
}

/** The fields of a test call. */
export function testOf(body: Buffer): Fields {
  const value = parseLenient(body);
  if (!isObject(value))
    throw new WebHookError(400, { body: ['must be a JSON object with action_type and url'] });
  return value;
}

/** A member of its own, never what every object inherits. */
export function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** A sample that was pasted is short: only a body up to this length is mended. */
const MENDED_BODY_BYTES = 4_096;

/**
 * The page of the API prints its sample for this call without the comma between the two members, and people paste it.
 * So where the body is no JSON but for one such comma, it is supplied.
 */
function parseLenient(body: Buffer): unknown {
  try {
    return parseJson(body).value;
  } catch (error) {
    if (body.length > MENDED_BODY_BYTES || !isUtf8(body)) throw error;
    try {
      return JSON.parse(withComma(body.toString()));
    } catch {
      // What is said of the body is about the body that came.
      throw error;
    }
  }
}

/** With a comma between the first two strings that have only white space between them. In one pass. */
function withComma(text: string): string {
  let at = 0;
  while (at < text.length) {
    if (text[at] !== '"') {
      at++;
      continue;
    }
    const end = stringEnd(text, at);
    const next = valueStart(text, end);
    if (text[next] === '"' && next > end) {
      return `${text.slice(0, end)},${text.slice(end)}`;
    }
    at = next;
  }
  return text;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
