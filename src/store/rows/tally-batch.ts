import { latencyClass, MINUTE_MS } from '../../model/tally.ts';
import type { AttemptResult } from '../store.ts';
import { FIRST_LATENCY, TALLY_COLUMNS } from './tally-row.ts';

/** Stands for all endpoints of an application, and for all applications. */
export const ALL_KEY = 0;
const ACCEPTED = 0;
/** The place of an outcome by the first digit of the status. */
const OUTCOMES = new Map([
  [2, 1],
  [4, 2],
  [5, 3],
]);
const [FAILED_OTHER, UNANSWERED] = [4, 5];

export interface TallyAddition {
  readonly applicationKey: number;
  readonly endpointKey: number;
  /** In the order of `TALLY_COLUMNS`. */
  readonly counts: readonly number[];
}

/** The minute that something is counted in. */
export function minuteOf(now: number): number {
  return now - (now % MINUTE_MS);
}

/** What attempts add, in the order of keys: one row for each endpoint, one for each application, and one for all. */
export function attemptTallies(results: readonly AttemptResult[]): TallyAddition[] {
  const endpoints = new Map<number, { applicationKey: number; counts: number[] }>();
  for (const { applicationKey, attempt } of results) {
    const { status, durationMs } = attempt.exchange;
    let of = endpoints.get(attempt.endpointKey);
    if (of === undefined) {
      of = { applicationKey, counts: zeros() };
      endpoints.set(attempt.endpointKey, of);
    }
    add(of.counts, outcomeOf(status));
    if (status !== null) add(of.counts, FIRST_LATENCY + latencyClass(durationMs));
  }
  const ofEndpoints = Array.from(endpoints, ([endpointKey, of]) => ({ endpointKey, ...of }));
  const ofApplications = Array.from(
    Map.groupBy(ofEndpoints, ({ applicationKey }) => applicationKey),
    ([applicationKey, some]) => sumOf(some, applicationKey),
  );
  return withAll([...ofEndpoints, ...ofApplications], ofApplications);
}

/** What accepted messages add: one row for each application, and one for all. */
export function acceptedTallies(applicationKeys: Iterable<number>): TallyAddition[] {
  const applications = new Map<number, number[]>();
  for (const key of applicationKeys) {
    const counts = applications.get(key);
    if (counts !== undefined) add(counts, ACCEPTED);
    else applications.set(key, zeros().with(ACCEPTED, 1));
  }
  const ofApplications = Array.from(applications, ([applicationKey, counts]) => ({
    ...{ applicationKey, endpointKey: ALL_KEY, counts },
  }));
  return withAll(ofApplications, ofApplications);
}

/** With one for all, which is the sum of the applications; in the order of keys, as everybody writes them. */
function withAll(additions: TallyAddition[], applications: readonly TallyAddition[]): TallyAddition[] {
  if (applications.length === 0) return [];
  return [...additions, sumOf(applications, ALL_KEY)].sort(
    (one, other) => one.applicationKey - other.applicationKey || one.endpointKey - other.endpointKey,
  );
}

function sumOf(additions: readonly TallyAddition[], applicationKey: number): TallyAddition {
  const counts = zeros();
  for (const addition of additions) {
    for (let index = 0; index < counts.length; index++) add(counts, index, addition.counts[index]);
  }
  return { applicationKey, endpointKey: ALL_KEY, counts };
}

function outcomeOf(status: number | null): number {
  if (status === null) return UNANSWERED as number;
  return OUTCOMES.get(Math.floor(status / 100)) ?? (FAILED_OTHER as number);
}

function zeros(): number[] {
  return Array<number>(TALLY_COLUMNS.length).fill(0);
}

function add(counts: number[], index: number, count = 1): void {
  counts[index] = (counts[index] as number) + count;
}
