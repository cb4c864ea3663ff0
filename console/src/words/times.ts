const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

/** In the reader's zone: `14:05:09` today, `3 May, 14:05` this year, `3 May 2025, 14:05`. */
export function localTime(at: number, now: number): string {
  const [date, today] = [new Date(at), new Date(now)];
  if (date.toDateString() === today.toDateString()) return seconds.format(date);
  const written = date.getFullYear() === today.getFullYear() ? day : dayOfYear;
  return `${written.format(date)}, ${clock.format(date)}`;
}

/** `4 min ago`, `in 2 hr`. */
export function relativeTime(at: number, now: number): string {
  const difference = at - now;
  const size = Math.abs(difference);
  const unit =
    (['day', 'hour', 'minute', 'second'] as const).find((each) => size >= UNIT_MS[each]) ?? 'second';
  return relative.format(Math.trunc(difference / UNIT_MS[unit]), unit);
}

const UNIT_MS = { day: DAY_MS, hour: HOUR_MS, minute: MINUTE_MS, second: SECOND_MS };

/** To the millisecond, for who compares it with a log: `2026-05-03 12:05:09.123 UTC`. */
export function utcTime(at: number): string {
  return `${new Date(at).toISOString().replace('T', ' ').replace('Z', '')} UTC`;
}

/** `5 s`, `1 min 30 s`, `27.6 h`, `3 d`. */
export function durationText(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${rounded(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) {
    const rest = Math.round((ms % MINUTE_MS) / SECOND_MS);
    return `${Math.floor(ms / MINUTE_MS)} min${rest === 0 ? '' : ` ${rest} s`}`;
  }
  if (ms < 3 * DAY_MS) return `${rounded(ms / HOUR_MS)} h`;
  return `${rounded(ms / DAY_MS)} d`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
