import type { Static } from 'typebox';
import { IN_FLIGHT_PER_ENDPOINT, RETRIES_PER_SCHEDULE, RETRY_DELAY_MS } from '../../limits.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import {
  chosenSchedule,
  DEFAULT_JITTER,
  type RetryChoice,
  type RetrySchedule,
} from '../../model/retry-schedule.ts';
import type { EndpointFieldChanges } from '../../registry/registry.ts';
import { invalid } from '../validation.ts';
import { timeText } from './message-out.ts';
import type { RetryScheduleOut } from './schemas/delivery-control.ts';
import type { EndpointOut, EndpointPatch } from './schemas/endpoint.ts';

type ControlIn = Pick<
  Static<typeof EndpointPatch>,
  'paused' | 'maxInFlight' | 'ordering' | 'retrySchedule' | 'finalStatuses'
>;

const SECOND_MS = 1_000;

/**
 * What a body says of how an endpoint is delivered to: what is left out stays, null is as at first. Throws `validation`.
 * @param byDefault the schedule of the settings.
 */
export function controlChanges(fields: ControlIn, byDefault: RetrySchedule) {
  const { paused, maxInFlight, ordering, retrySchedule, finalStatuses } = fields;
  return {
    paused: paused === null ? false : paused,
    maxInFlight: maxInFlight === null ? IN_FLIGHT_PER_ENDPOINT : maxInFlight,
    ordering: ordering === null ? 'none' : ordering,
    retrySchedule: retrySchedule && retryChoice(retrySchedule, byDefault),
    finalStatuses: finalStatuses === null ? [] : finalStatuses && [...new Set(finalStatuses)],
  } satisfies EndpointFieldChanges;
}

/** Null: the schedule of the settings. What an answer shows is taken, too: there the preset stands beside its waits. */
function retryChoice(
  asked: NonNullable<ControlIn['retrySchedule']>,
  byDefault: RetrySchedule,
): RetryChoice | null {
  const { preset = null, delaysSeconds, jitter = DEFAULT_JITTER } = asked;
  if (preset !== null) {
    const choice = preset === 'default' ? null : { preset };
    assertJitterOf(chosenSchedule(choice, byDefault), asked.jitter);
    return choice;
  }
  if (delaysSeconds === undefined) {
    throw invalid(['body', 'retrySchedule'], 'must have a preset or delaysSeconds');
  }
  const at = ['body', 'retrySchedule', 'delaysSeconds'];
  if (delaysSeconds.length > RETRIES_PER_SCHEDULE) {
    throw invalid(at, `must not have more than ${RETRIES_PER_SCHEDULE} items`);
  }
  const delaysMs = delaysSeconds.map((seconds) => Math.round(seconds * SECOND_MS));
  const short = delaysMs.findIndex((delayMs) => delayMs < RETRY_DELAY_MS.least);
  if (short >= 0) throw invalid([...at, short], `must be >= ${RETRY_DELAY_MS.least / SECOND_MS}`);
  return { delaysMs, jitter };
}

/** A jitter beside a preset would count for nothing, unless it is that of the preset. Throws `validation`. */
function assertJitterOf({ jitter }: RetrySchedule, asked: number | undefined): void {
  if (asked === undefined || asked === jitter) return;
  throw invalid(
    ['body', 'retrySchedule', 'jitter'],
    `must be ${jitter} or left out beside this preset. Give delaysSeconds without a preset to choose it`,
  );
}

/** @param byDefault the schedule of the settings. */
export function controlOut(endpoint: Endpoint, byDefault: RetrySchedule) {
  const { pausedAt, disabledReason, disabledAt, maxInFlight, ordering, retrySchedule, finalStatuses } =
    endpoint;
  return {
    paused: pausedAt !== null,
    pausedAt: pausedAt === null ? null : timeText(pausedAt),
    disabledReason,
    disabledAt: disabledAt === null ? null : timeText(disabledAt),
    maxInFlight,
    ordering,
    retrySchedule: retryOut(retrySchedule, byDefault),
    finalStatuses: [...finalStatuses],
  } satisfies Partial<Static<typeof EndpointOut>>;
}

function retryOut(choice: RetryChoice | null, byDefault: RetrySchedule): Static<typeof RetryScheduleOut> {
  const { delaysMs, jitter } = chosenSchedule(choice, byDefault);
  const preset = choice === null ? 'default' : 'preset' in choice ? choice.preset : null;
  return { preset, delaysSeconds: delaysMs.map((delayMs) => delayMs / SECOND_MS), jitter };
}
