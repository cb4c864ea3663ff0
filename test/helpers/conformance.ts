import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: JsonObject;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security: readonly object[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { required?: boolean; content: Record<string, { schema: JsonObject }> };
  readonly responses: Readonly<
    Record<string, { description: string; content?: Record<string, { schema: JsonObject }> }>
  >;
}

/** An OpenAPI 3.1 document, as far as tests read it. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    schemas: Record<string, JsonObject>;
    securitySchemes: Record<string, object>;
  };
}

/** An answer as it came, before it was parsed. */
export interface AnswerText {
  readonly method: string;
  /** The path that was called, with its query. */
  readonly path: string;
  readonly status: number;
  readonly text: string;
}

/** What any path may answer, whatever it is: these belong to no operation. */
const OF_NO_OPERATION = new Set([405, 500]);

/**
 * Says whether answers are what the document promises: the status is documented, and the body is valid JSON that fits the
 * schema of that status. A schema that names fields names all of them: a field more is drift, too.
 */
export class Conformance {
  readonly #document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, validateSchema: false, allErrors: true });
  readonly #templates: readonly { path: string; pattern: RegExp; literal: number }[];
  readonly #checks = new Map<string, ValidateFunction | null>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    formats.default(this.#ajv);
    this.#ajv.addSchema(closed(document as unknown as Json) as JsonObject, 'document');
    this.#templates = Object.keys(document.paths)
      .map((path) => ({ path, pattern: patternOf(path), literal: path.replaceAll(/\{\w+\}/g, '').length }))
      // `/msg/batch` is also a `/msg/{msg_id}`, but the more literal one is meant.
      .sort((a, b) => b.literal - a.literal);
  }

  /** What is wrong with the answer, a line each; nothing when it conforms. */
  problems({ method, path, status, text }: AnswerText): string[] {
    const template = this.#templateOf(path, method.toLowerCase());
    const operation = template === null ? undefined : this.#document.paths[template]?.[method.toLowerCase()];
    if (template === null || operation === undefined) {
      return status < 400 ? [`${method} ${path} is not documented, but was answered ${status}`] : [];
    }
    const response = operation.responses[status];
    if (response === undefined) {
      return OF_NO_OPERATION.has(status)
        ? []
        : [`status ${status} is not documented for ${operation.operationId}`];
    }
    if (response.content === undefined) {
      return text === '' ? [] : [`status ${status} has no body, says the document`];
    }
    const body = parsed(text);
    if (body === undefined) return ['the body is not JSON'];
    const pointer = ['paths', template, method.toLowerCase(), 'responses', String(status)];
    const check = this.#checkOf([...pointer, 'content', 'application/json', 'schema']);
    if (check === null || check(body)) return [];
    return telling(check.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath || 'the body'} ${message} ${JSON.stringify(params)}`,
    );
  }

  /** The schema at a place of the document, compiled; null when there is none. */
  #checkOf(steps: readonly string[]): ValidateFunction | null {
    const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')));
    const key = `document#/${pointer.join('/')}`;
    let check = this.#checks.get(key);
    if (check === undefined) {
      check = (this.#ajv.getSchema(key) as ValidateFunction | undefined) ?? null;
      this.#checks.set(key, check);
    }
    return check;
  }

  #templateOf(path: string, method: string): string | null {
    // As `fetch` sends it: `/web_hooks.json/.` is a call of `/web_hooks.json/`.
    const bare = new URL(path, 'http://localhost').pathname;
    const plain = bare.length > 1 && bare.endsWith('/') ? bare.slice(0, -1) : bare;
    try {
      decodeURIComponent(plain);
    } catch {
      // Not a path of any operation: the server cannot read it.
      return null;
    }
    const found = this.#templates.filter(({ pattern }) => pattern.test(plain));
    return (found.find((each) => this.#document.paths[each.path]?.[method]) ?? found[0])?.path ?? null;
  }
}

let ofThisServer: Promise<Conformance> | null = null;

/** Throws when an answer of either face does not conform; `load` gets the document, once for all tests of a process. */
export async function assertDocumented(
  load: () => object | Promise<object>,
  answer: AnswerText,
): Promise<void> {
  const bodyless = answer.method === 'HEAD' || answer.method === 'OPTIONS';
  if (bodyless || !/^\/(api\/v1|web_hooks?)\b/.test(answer.path)) return;
  ofThisServer ??= Promise.resolve(load()).then((document) => new Conformance(document as OpenApiDocument));
  assertConforms(await ofThisServer, answer);
}

function assertConforms(conformance: Conformance, answer: AnswerText): void {
  const problems = conformance.problems(answer);
  if (problems.length === 0) return;
  const { method, path, status, text } = answer;
  const lines = [`${method} ${path} was answered ${status}, but not as openapi.json says:`];
  lines.push(...problems.map((problem) => `  ${problem}`), text.slice(0, 2_000));
  throw new Error(lines.join('\n'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `/app/{app_id}` as an expression. */
function patternOf(template: string): RegExp {
  const source = template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${source}$`);
}

/** An `anyOf` fails with each of its branches: what tells most is the deepest, and never that it isn't null. */
function telling(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const kept = errors.filter(({ keyword, params }) => keyword !== 'anyOf' && params.type !== 'null');
  return kept.length > 0 ? kept : errors;
}

/** A copy in which objects have no fields but those that are named. */
function closed(value: Json): Json {
  if (Array.isArray(value)) return value.map(closed);
  if (value === null || typeof value !== 'object') return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  const { type, properties, additionalProperties, patternProperties } = copy;
  const names = properties !== null && typeof properties === 'object' && Object.keys(properties).length > 0;
  if (type === 'object' && names && additionalProperties === undefined && patternProperties === undefined) {
    copy.additionalProperties = false;
  }
  return copy;
}
