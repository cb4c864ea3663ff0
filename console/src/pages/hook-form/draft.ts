import type { Hook, HookIn, HookPatch } from '../../api/client.ts';

/** A form as it is filled in: text where people type. */
export interface Draft {
  readonly url: string;
  readonly description: string;
  /** Null: all. */
  readonly types: readonly string[] | null;
  readonly headers: readonly HeaderDraft[];
  readonly throttleRate: string;
  readonly maxInFlight: string;
  readonly ordering: Hook['ordering'];
  readonly retries: 'default' | 'help-desk' | 'fast' | 'own';
  /** Waits, as `5s, 5m, 2h`. */
  readonly delays: string;
}

export interface HeaderDraft {
  /** Tells rows apart while they are changed. */
  readonly row: number;
  readonly name: string;
  /** Null: there is a value that is not shown. */
  readonly value: string | null;
}

export const NEW_DRAFT: Draft = {
  url: '',
  description: '',
  types: null,
  headers: [],
  throttleRate: '',
  maxInFlight: '',
  ordering: 'none',
  retries: 'default',
  delays: '',
};

export interface StoredHeaders {
  readonly headers: Readonly<Record<string, string>>;
  readonly sensitive: readonly string[];
}

export function draftOf(hook: Hook, { headers, sensitive }: StoredHeaders): Draft {
  const { preset, delaysSeconds } = hook.retrySchedule;
  const named: [string, string | null][] = [
    ...Object.entries(headers),
    ...sensitive.map((name): [string, null] => [name, null]),
  ];
  return {
    url: hook.url,
    description: hook.description,
    types: hook.eventTypes,
    headers: named.map(([name, value], row) => ({ row, name, value })),
    throttleRate: hook.throttleRate === null ? '' : String(hook.throttleRate),
    maxInFlight: String(hook.maxInFlight),
    ordering: hook.ordering,
    retries: preset ?? 'own',
    delays: preset === null ? delaysSeconds.map(writtenDelay).join(', ') : '',
  };
}

/** What the server is asked for. Throws `Unread`, with the place, when a text is not what belongs there. */
export function fieldsOf(draft: Draft): HookPatch & { url: string } {
  return {
    url: draft.url.trim(),
    description: draft.description,
    eventTypes: draft.types === null ? null : [...draft.types],
    throttleRate: numberOf(draft.throttleRate, 'throttleRate'),
    maxInFlight: numberOf(draft.maxInFlight, 'maxInFlight'),
    ordering: draft.ordering,
    retrySchedule:
      draft.retries === 'own' ? { delaysSeconds: delaysOf(draft.delays) } : { preset: draft.retries },
  };
}

export function newHookOf(draft: Draft): HookIn {
  const headers = Object.fromEntries(
    draft.headers.filter(isSet).map(({ name, value }) => [name.trim(), value ?? '']),
  );
  const fields = fieldsOf(draft);
  return { ...fields, headers };
}

/** What changes of the headers; null: nothing. */
export function headerChangesOf(
  draft: Draft,
  stored: StoredHeaders,
): { headers: Record<string, string | null> } | null {
  const changes: Record<string, string | null> = {};
  const kept = new Set<string>();
  for (const { name, value } of draft.headers.filter(isSet)) {
    kept.add(name.trim().toLowerCase());
    if (value !== null && stored.headers[name.trim()] !== value) changes[name.trim()] = value;
  }
  for (const name of [...Object.keys(stored.headers), ...stored.sensitive]) {
    if (!kept.has(name.toLowerCase())) changes[name] = null;
  }
  return Object.keys(changes).length === 0 ? null : { headers: changes };
}

function isSet({ name, value }: HeaderDraft): boolean {
  return name.trim() !== '' || (value ?? '') !== '';
}

/** A text in a form that cannot be read as what belongs there. */
export class Unread extends Error {
  override readonly name = 'Unread';
  readonly place: string;

  constructor(place: string, message: string) {
    super(message);
    this.place = place;
  }
}

function numberOf(text: string, place: string): number | null {
  if (text.trim() === '') return null;
  if (!/^\d{1,9}$/.test(text.trim())) throw new Unread(place, 'Write a whole number, or leave it empty.');
  return Number(text.trim());
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: 60,
  min: 60,
  h: 3_600,
  d: 86_400,
};

/** `5s, 5m, 2h` in seconds. Empty: no retries. */
export function delaysOf(text: string): number[] {
  return text
    .split(/[,;\s]+/)
    .filter((each) => each !== '')
    .map((each) => {
      const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)?$/.exec(each) ?? [];
      if (amount === undefined) {
        throw new Unread(
          'retrySchedule',
          `“${each}” is not a time. Write 5s, 5m, 2h or 1d, with commas between.`,
        );
      }
      return Number(amount) * (UNIT_SECONDS[unit] as number);
    });
}

function writtenDelay(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)}ms`;
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}

/** What is wrong with a URL as far as this page can tell; the server looks at more. */
export function urlProblem(text: string): string | undefined {
  const url = text.trim();
  if (url === '') return 'Write the URL that shall get the requests, such as https://example.com/hooks.';
  if (!/^https?:\/\//i.test(url)) return 'Begin with https:// (or http://).';
  if (!URL.canParse(url)) return 'That is not a URL. Check it for spaces and missing parts.';
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    return 'Leave out user name and password. Put them into a header instead.';
  return undefined;
}
