import type { Static } from 'typebox';
import { TASK_RATE } from '../../../limits.ts';
import { invalid } from '../../validation.ts';
import type { ReplayIn } from '../schemas/task.ts';

/** A caller who reckons days by a clock of its own has some minutes more. */
const LEEWAY_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

/** Messages made from `from` to `to`, ms since the Unix epoch, and deliveries a second. */
export interface TaskRange {
  readonly from: number;
  readonly to: number;
  readonly rate: number;
}

/** @param days how far before its end it may begin. Throws `validation`. */
export function rangeOf(body: Static<typeof ReplayIn>, days: number, now: number): TaskRange {
  const from = bodyTime(body.since, 'since');
  const until = body.until == null ? now : bodyTime(body.until, 'until');
  const to = Math.min(until, now);
  if (from > to) {
    const than = body.until == null || until > now ? 'now' : '`until`';
    throw invalid(['body', 'since'], `must not be later than ${than}`);
  }
  if (from < to - days * DAY_MS - LEEWAY_MS) {
    throw invalid(['body', 'since'], `must be at most ${days} days before \`until\``);
  }
  return { from, to, rate: body.rate ?? TASK_RATE.usual };
}

/** RFC 3339 has times that no clock here shows: leap seconds. */
function bodyTime(text: string, name: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw invalid(['body', name], 'must be a date and time (RFC 3339)');
  return at;
}
