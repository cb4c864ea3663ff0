import type { ShownKey, ShownNewKey } from '../../http/operator/key-out.ts';
import { PAGE_ROWS } from '../../limits.ts';
import { type Answer, callApi } from '../api-call.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { KeyDesk } from './desk.ts';

/** The keys of a running server, through its API. */
export function serverDesk(url: string, operatorKey: string | undefined): KeyDesk {
  const base = baseOf(url);
  if (!operatorKey) {
    throw new CliError(`Set POSTHORN_OPERATOR_KEY to an operator key of the server at ${base}.`, {
      exitCode: EXIT_USAGE,
    });
  }
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const given = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await callApi({ method, url: `${base}/api/v1${path}`, key: operatorKey, ...given }).catch(
      (error: Error & { code?: string }) => {
        throw new CliError(
          `No answer came from ${base} (${error.message || error.code}). Is that where the server listens, and does it run?`,
          { cause: error },
        );
      },
    );
    return answered(answer, base);
  };
  const one = (id: string) => `/key/${encodeURIComponent(id)}`;
  return {
    async list(application) {
      const found: ShownKey[] = [];
      const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
      if (application !== null) query.set('application', application);
      for (;;) {
        const page = (await call('GET', `/key?${query}`)) as Page;
        found.push(...page.data);
        if (page.done || page.iterator === null) return found;
        query.set('iterator', page.iterator);
      }
    },
    create: (wanted) => call('POST', '/key', wanted) as Promise<ShownNewKey>,
    async revoke(id) {
      await call('DELETE', one(id));
    },
    rotate: (id, gracePeriodSeconds) =>
      call('POST', `${one(id)}/rotate`, { gracePeriodSeconds }) as Promise<ShownNewKey>,
    async close() {},
  };
}

interface Page {
  data: ShownKey[];
  iterator: string | null;
  done: boolean;
}

function baseOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') {
    return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
  }
  throw new CliError(
    `${JSON.stringify(url)} is not the address of a server. Write one such as http://127.0.0.1:8071 after --url or in POSTHORN_URL.`,
    { exitCode: EXIT_USAGE },
  );
}

function answered({ status, text }: Answer, base: string): unknown {
  const value = parsed(text);
  if (status >= 200 && status < 300 && value !== undefined) return value;
  if (status === 401) {
    throw new CliError(
      `The server at ${base} does not know the key in POSTHORN_OPERATOR_KEY. If every operator key is lost: stop the server, ` +
        'make one with "posthorn keys create --name recovery --data <its data folder>", and start it again.',
    );
  }
  const detail = (value as { detail?: unknown } | null | undefined)?.detail;
  if (typeof detail === 'string') throw new CliError(detail);
  if (Array.isArray(detail)) throw new CliError(detail.map(problemText).join('\n'));
  throw new CliError(`What answers at ${base} is not a Posthorn of this version (status ${status}).`);
}

/** Undefined: not JSON. */
function parsed(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemText({ loc, msg }: { loc: (string | number)[]; msg: string }): string {
  return `${loc.slice(1).join('.')} ${msg}`;
}
