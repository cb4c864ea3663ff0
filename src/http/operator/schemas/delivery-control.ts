import Type from 'typebox';
import {
  FINAL_STATUSES,
  IN_FLIGHT_PER_ENDPOINT,
  IN_FLIGHT_PER_ENDPOINT_MOST,
  RETRIES_PER_SCHEDULE,
  RETRY_DELAY_MS,
} from '../../../limits.ts';
import { ORDERINGS } from '../../../model/endpoint.ts';
import { DEFAULT_JITTER, retryPresets } from '../../../model/retry-schedule.ts';
import { maybe, nullable } from './common.ts';

/** What an endpoint says of how it is delivered to: additions of Posthorn, which clients of the protocol don't know. */

const PRESETS = ['default', ...(Object.keys(retryPresets) as (keyof typeof retryPresets)[])] as const;
const SECOND_MS = 1_000;
/** An answer can be given back: its preset may stand beside waits of the settings, which can be more and shorter. */
const WAITS_SHOWN = 50;

const Preset = Type.Enum([...PRESETS], {
  description:
    '`default`: that of the server. `help-desk`: 3 tries, an hour apart. `fast`: 6 tries within 5 minutes.',
});
const Jitter = { minimum: 0, maximum: 1 };

const RetryScheduleIn = Type.Object(
  {
    preset: maybe(Preset),
    delaysSeconds: Type.Optional(
      Type.Array(Type.Number({ minimum: 0, maximum: RETRY_DELAY_MS.most / SECOND_MS }), {
        maxItems: WAITS_SHOWN,
        description: `The wait after each failed try, in seconds, from ${RETRY_DELAY_MS.least / SECOND_MS} to ${RETRY_DELAY_MS.most / SECOND_MS}; past the last, the delivery has failed. At most ${RETRIES_PER_SCHEDULE}; none: one try.`,
      }),
    ),
    jitter: Type.Optional(
      Type.Number({
        ...Jitter,
        default: DEFAULT_JITTER,
        description: 'Each wait is spread evenly over this share of it, to both sides.',
      }),
    ),
  },
  {
    title: 'RetryScheduleIn',
    description: 'Either a `preset`, which wins, or `delaysSeconds`.',
    examples: [{ preset: 'help-desk' }, { delaysSeconds: [10, 60, 3_600], jitter: 0.1 }],
  },
);

export const RetryScheduleOut = Type.Object(
  {
    preset: nullable(Preset),
    delaysSeconds: Type.Array(Type.Number(), { examples: [[3_600, 3_600]] }),
    jitter: Type.Number(Jitter),
  },
  {
    title: 'RetryScheduleOut',
    description: 'The waits that it comes to. `preset` is null where the endpoint has waits of its own.',
    examples: [{ preset: 'help-desk', delaysSeconds: [3_600, 3_600], jitter: 0.05 }],
  },
);

const Paused = { description: 'What comes for it is held, and goes out by itself when the pause ends.' };
const Ordering = Type.Enum([...ORDERINGS], {
  description:
    '`endpoint`: one delivery at a time, in the order of publishing, and none before the one that failed has arrived or was skipped. `key`: the same within each `orderingKey`; messages without one are not ordered. `none` at first.',
});
const FinalStatuses = {
  maxItems: FINAL_STATUSES,
  description:
    'Answers that end a delivery at once, as no later try would be better. 410 always does, and disables the endpoint.',
};

export const controlIn = {
  paused: maybe(Type.Boolean(Paused)),
  maxInFlight: maybe(
    Type.Integer({
      minimum: 1,
      maximum: IN_FLIGHT_PER_ENDPOINT_MOST,
      description: `Requests under way at once, at most. ${IN_FLIGHT_PER_ENDPOINT} at first.`,
    }),
  ),
  ordering: maybe(Ordering),
  retrySchedule: maybe(RetryScheduleIn),
  finalStatuses: maybe(Type.Array(Type.Integer({ minimum: 300, maximum: 599 }), FinalStatuses)),
};

export const controlOut = {
  paused: Type.Boolean(Paused),
  pausedAt: nullable(Type.String({ format: 'date-time' })),
  disabledReason: nullable(
    Type.Enum(['manual', 'gone', 'failing'], {
      description:
        '`gone`: it answered 410. `failing`: it did nothing but fail for too long. Null while it is enabled.',
    }),
  ),
  disabledAt: nullable(Type.String({ format: 'date-time' })),
  maxInFlight: Type.Integer(),
  ordering: Ordering,
  retrySchedule: RetryScheduleOut,
  finalStatuses: Type.Array(Type.Integer(), { description: FinalStatuses.description }),
};

export const controlInExample = {
  maxInFlight: 8,
  ordering: 'key',
  retrySchedule: { preset: 'help-desk' },
  finalStatuses: [400, 404],
};

export const controlOutExample = {
  ...controlInExample,
  paused: false,
  pausedAt: null,
  disabledReason: null,
  disabledAt: null,
  retrySchedule: { preset: 'help-desk', delaysSeconds: [3_600, 3_600], jitter: 0.05 },
};
