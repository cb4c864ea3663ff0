import type { Random } from './clock.ts';
import type { Exchange } from './exchange.ts';

/** When to try again. `delaysMs[n]` is the wait after failed attempt n+1; past the last, the delivery has failed. */
export interface RetrySchedule {
  readonly delaysMs: readonly number[];
  /** Each wait is spread evenly over ± this share of it. */
  readonly jitter: number;
}

export const DEFAULT_JITTER = 0.2;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Schedules with a name. `default` is the one of the settings, and has no entry here. */
export const retryPresets = {
  /** Three tries, an hour apart: what help desks are known for. */
  'help-desk': { delaysMs: [HOUR_MS, HOUR_MS], jitter: 0.05 },
  /** For receivers whose messages are worth nothing a few minutes later. */
  fast: { delaysMs: [1_000, 5_000, 15_000, MINUTE_MS, 3 * MINUTE_MS], jitter: DEFAULT_JITTER },
} as const satisfies Record<string, RetrySchedule>;

export type RetryPreset = keyof typeof retryPresets;

/** What an endpoint asks for: a schedule by its name, or one of its own. */
export type RetryChoice = { readonly preset: RetryPreset } | RetrySchedule;

/** The schedule that an endpoint's choice stands for; `usual` is that of the settings. */
export function chosenSchedule(choice: RetryChoice | null, usual: RetrySchedule): RetrySchedule {
  if (choice === null) return usual;
  return 'preset' in choice ? retryPresets[choice.preset] : choice;
}

/** How an endpoint's deliveries are tried again. */
export interface RetryPolicy {
  readonly schedule: RetrySchedule;
  /** Answers that end a delivery at once, as no later one would be better. 410 always does. */
  readonly finalStatuses: readonly number[];
}

/** 410 Gone (RFC 9110 section 15.5.11): the endpoint says that it will not come back. */
export const GONE = 410;

/** A receiver may push the next try back, at most this far. */
export const RETRY_AFTER_LIMIT_MS = 24 * 3_600_000;

/**
 * When the next attempt is due, ms since the Unix epoch, or null when the schedule is used up. `Retry-After` on 429
 * and 503 (RFC 9110 section 10.2.3) can only push it later, never earlier and never past `RETRY_AFTER_LIMIT_MS`.
 */
export function retryAt(params: {
  exchange: Exchange;
  attemptNumber: number;
  schedule: RetrySchedule;
  now: number;
  random: Random;
}): number | null {
  const { exchange, attemptNumber, schedule, now, random } = params;
  const delayMs = schedule.delaysMs[attemptNumber - 1];
  if (delayMs === undefined) return null;
  const spread = 1 + schedule.jitter * (2 * random.fraction() - 1);
  const scheduled = now + Math.round(delayMs * spread);
  const asked =
    exchange.status === 429 || exchange.status === 503 ? retryAfterMs(exchange.retryAfter, now) : null;
  return asked === null ? scheduled : Math.max(scheduled, now + Math.min(asked, RETRY_AFTER_LIMIT_MS));
}

const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** `Retry-After` as a wait in ms (never negative), or null when it is absent or malformed. Seconds or an HTTP date only. */
export function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  if (!HTTP_DATE.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `5s`, `1.5h`, `250ms` in milliseconds, or null. */
export function parseDurationMs(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (!found) return null;
  return Math.round(Number(found[1]) * (UNITS[found[2] as string] as number));
}
