import { Ajv, type ValidateFunction } from 'ajv';
import { EVENT_SCHEMAS_CHARACTERS, EVENT_SCHEMAS_DEPTH } from '../../limits.ts';
import { invalid } from '../validation.ts';

/**
 * Schemas of event types come from callers: here they are looked at and not compiled, so that nothing is fetched, and the time
 * it takes grows with their size alone. Code is made only of those that payloads are to be checked by, with a deadline
 * (`registry/compiled-schema.ts`). One is taken when it is valid by the meta-schema of draft 7,
 * its patterns are regular expressions, and its references lead to places in it. What `$schema` says does not matter.
 */
const DRAFT_7 = 'http://json-schema.org/draft-07/schema';
const isDraft7 = new Ajv({
  strict: false,
  logger: false,
  formats: { regex: isRegularExpression, uri: true, 'uri-reference': true },
}).compile(metaSchema());

/** That of draft 7, without `uniqueItems`: ajv compares each with each, which takes 20 s for an `enum` of 40,000 objects. */
function metaSchema(): object {
  const { schema } = new Ajv().getSchema(DRAFT_7) as ValidateFunction;
  const text = JSON.stringify({ ...(schema as object), $id: undefined });
  return JSON.parse(text, (name, value) => (name === 'uniqueItems' && value === true ? undefined : value));
}

/** Characters of a path in a schema that an error shows. */
const PATH_SHOWN = 200;

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

/** Throws `validation` unless all are JSON Schemas. */
export function checkedSchemas(schemas: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const at = ['body', 'schemas'];
  if (isDeeper(schemas as JsonObject, EVENT_SCHEMAS_DEPTH)) {
    throw invalid(at, `nest more than ${EVENT_SCHEMAS_DEPTH} deep`);
  }
  if (JSON.stringify(schemas).length > EVENT_SCHEMAS_CHARACTERS) {
    throw invalid(at, `have more than ${EVENT_SCHEMAS_CHARACTERS} characters as JSON`);
  }
  for (const [version, schema] of Object.entries(schemas)) {
    const problem = problemOf(schema as Json);
    if (problem !== null) throw invalid([...at, version], problem);
  }
  return { ...schemas };
}

function problemOf(schema: Json): string | null {
  if (!isDraft7(schema)) {
    const [error] = isDraft7.errors ?? [];
    return `is no JSON Schema (draft 7): ${error?.instancePath.slice(0, PATH_SHOWN) || 'it'} ${error?.message}`;
  }
  const { ids, references } = surveyed(schema);
  const lost = references.find((reference) => !leadsSomewhere(reference, schema, ids));
  return lost === undefined
    ? null
    : `refers to ${JSON.stringify(lost.slice(0, PATH_SHOWN))}, which is not in it`;
}

/** Every `$id` and `$ref` where schemas stand, and not in the data that they hold. */
function surveyed(root: Json): { ids: Set<string>; references: string[] } {
  const ids = new Set([DRAFT_7]);
  const references: string[] = [];
  const left: Json[] = [root];
  for (let schema = left.pop(); schema !== undefined; schema = left.pop()) {
    if (!isObject(schema)) continue;
    if (typeof schema.$id === 'string') ids.add(withoutEmptyFragment(schema.$id));
    if (typeof schema.$ref === 'string') references.push(schema.$ref);
    left.push(...subschemas(schema));
  }
  return { ids, references };
}

const HOLD_ONE = [
  'additionalItems',
  'additionalProperties',
  'contains',
  'else',
  'if',
  'not',
  'propertyNames',
  'then',
];
const HOLD_LISTS = ['allOf', 'anyOf', 'oneOf'];
const HOLD_BY_NAME = ['definitions', '$defs', 'dependencies', 'patternProperties', 'properties'];

function subschemas(schema: JsonObject): Json[] {
  const lists = [...HOLD_LISTS, 'items'].flatMap((name) => schema[name] ?? []);
  const named = HOLD_BY_NAME.flatMap((name) => {
    const value = own(schema, name);
    return isObject(value) ? Object.values(value) : [];
  });
  return [...HOLD_ONE.map((name) => own(schema, name)), ...lists, ...named].filter(
    (each) => each !== undefined,
  );
}

function leadsSomewhere(reference: string, root: Json, ids: ReadonlySet<string>): boolean {
  if (ids.has(withoutEmptyFragment(reference))) return true;
  const [before = '', fragment = ''] = splitAtHash(reference);
  // A pointer into a part that has an id of its own is followed no further than to that part.
  if (before !== '') return ids.has(before);
  return fragment === '' || (fragment.startsWith('/') && isThere(root, fragment));
}

/** By JSON Pointer (RFC 6901) in a URI fragment. */
function isThere(root: Json, pointer: string): boolean {
  let value: Json | undefined = root;
  for (const step of pointer.slice(1).split('/')) {
    const name = decoded(step)?.replaceAll('~1', '/').replaceAll('~0', '~');
    if (name === undefined || typeof value !== 'object' || value === null) return false;
    value = Array.isArray(value) ? value[Number(name)] : own(value, name);
  }
  return isObject(value) || typeof value === 'boolean';
}

function splitAtHash(reference: string): [string, string] {
  const hash = reference.indexOf('#');
  return hash < 0 ? [reference, ''] : [reference.slice(0, hash), reference.slice(hash + 1)];
}

function withoutEmptyFragment(uri: string): string {
  return uri.endsWith('#') ? uri.slice(0, -1) : uri;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function own(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRegularExpression(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

function isDeeper(root: Json, depth: number): boolean {
  let level: Json[] = [root];
  for (let passed = 0; level.length > 0; passed++) {
    if (passed > depth) return true;
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
  return false;
}
