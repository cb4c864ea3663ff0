/** What went wrong with a call, as far as it can be told to a person. */
export class Problem extends Error {
  override readonly name = 'Problem';
  /** 0: the server was not reached. */
  readonly status: number;
  readonly code: string;
  /** Sentences by the place in the body that they are about: `url`, `retrySchedule.delaysSeconds.0`. */
  readonly fields: ReadonlyMap<string, string>;
  /** What the server's log has more under; null: nothing. */
  readonly requestId: string | null;

  constructor(params: {
    status: number;
    code: string;
    message: string;
    fields?: ReadonlyMap<string, string>;
  }) {
    super(params.message);
    this.status = params.status;
    this.code = params.code;
    this.fields = params.fields ?? new Map();
    this.requestId = /\breq_[\w-]+/.exec(params.message)?.[0] ?? null;
  }

  static unreachable(): Problem {
    return new Problem({
      status: 0,
      code: 'unreachable',
      message: 'The server could not be reached. Check the connection, then try again.',
    });
  }

  /** Not there, or somebody else's: nobody is told which. */
  get isHidden(): boolean {
    return this.status === 403 || this.status === 404;
  }
}

/** From the body of an answer, which may be anything when something stands between us and the server. */
export function problemFrom(status: number, body: unknown): Problem {
  const { code, detail } = (typeof body === 'object' && body !== null ? body : {}) as {
    code?: unknown;
    detail?: unknown;
  };
  if (Array.isArray(detail)) {
    const fields = new Map<string, string>();
    for (const { loc, msg } of detail as { loc: (string | number)[]; msg: string }[]) {
      const place = placeOf(loc);
      if (!fields.has(place)) fields.set(place, sentence(msg));
    }
    return new Problem({ status, code: 'validation', message: [...fields.values()].join(' '), fields });
  }
  return new Problem({
    status,
    code: typeof code === 'string' ? code : 'unknown',
    message: typeof detail === 'string' ? detail : `The server answered ${status}. Try again.`,
  });
}

/** The official clients know `loc` as `['body', 'url', 'url']`, with the last name twice. */
function placeOf(loc: readonly (string | number)[]): string {
  const names = loc[0] === 'body' ? loc.slice(1) : [...loc];
  if (names.length > 1 && names.at(-1) === names.at(-2)) names.pop();
  return names.filter((each) => each !== '').join('.');
}

function sentence(text: string): string {
  const begun = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
