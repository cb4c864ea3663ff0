import Type from 'typebox';
import {
  EVENT_TYPES_PER_ENDPOINT,
  OPEN_COUNTED,
  PATTERNS_PER_REPLAY,
  SCAN_ROWS,
  TASK_RATE,
} from '../../../limits.ts';
import { Channel, EventTypePattern, maybe, nullable, Time, word } from './common.ts';
import { STATES } from './status.ts';

const SINCE = '2026-05-01T00:00:00.000Z';
const TASK_ID = 'qtask_2nZK5wzbb7UWeTYsEaK6mSrEQhY';
const ENDPOINT_ID = 'ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY';

export const TASK_STATUSES = ['running', 'finished', 'cancelled', 'failed'] as const;
export const TASK_NAMES = [
  'endpoint.recover',
  'endpoint.replay',
  'endpoint.bulk-replay',
  'endpoint.release',
  'endpoint.discard',
] as const;

const Rate = maybe(
  Type.Integer({
    minimum: TASK_RATE.least,
    maximum: TASK_RATE.most,
    description: `Addition of Posthorn: at most so many deliveries a second are let go; ${TASK_RATE.usual} when left out.`,
  }),
);

const DryRun = maybe(
  Type.Boolean({
    default: false,
    description:
      'Addition of Posthorn: nothing happens but a count of the deliveries that it is about (200).',
  }),
);

const range = (days: number) => ({
  since: Type.String({
    format: 'date-time',
    description: `Messages made from then on, at most ${days} days before \`until\`.`,
    examples: [SINCE],
  }),
  until: maybe(Type.String({ format: 'date-time', description: 'Now, when left out or later than now.' })),
  rate: Rate,
  dryRun: DryRun,
});

/** How far back each may begin, in days. */
export const RANGE_DAYS = { recover: 14, replay: 90 };

export const RecoverIn = Type.Object(range(RANGE_DAYS.recover), {
  title: 'RecoverIn',
  additionalProperties: false,
  examples: [{ since: SINCE }],
});

export const ReplayIn = Type.Object(range(RANGE_DAYS.replay), {
  title: 'ReplayIn',
  additionalProperties: false,
  examples: [{ since: SINCE, dryRun: true }],
});

export const BulkReplayIn = Type.Object(
  {
    ...range(RANGE_DAYS.replay),
    eventTypes: maybe(
      Type.Array(EventTypePattern, {
        minItems: 1,
        maxItems: EVENT_TYPES_PER_ENDPOINT,
        description: `Only messages of these event types; \`ticket.*\` is all that begin with \`ticket.\`, and at most ${PATTERNS_PER_REPLAY} may be so.`,
      }),
    ),
    channel: maybe(Channel),
    tag: maybe(word({ examples: ['import'] })),
    status: maybe(
      Type.Enum([0, 1, 2, 3, 4], {
        description:
          'Only deliveries in this state: 0 success, 1 pending (of which those that are held go out), 2 fail, 3 sending, 4 canceled. Without it and `states`: what succeeded, failed or is held, and not what was cancelled.',
      }),
    ),
    states: maybe(
      Type.Array(Type.Enum(STATES), {
        minItems: 1,
        maxItems: STATES.length,
        description: 'Addition of Posthorn: only deliveries in one of these states. Wins over `status`.',
        examples: [['failed', 'held']],
      }),
    ),
    statusCodeClass: maybe(
      Type.Enum([0, 100, 200, 300, 400, 500], {
        description:
          'Only deliveries whose last attempt was answered with such a status: 400 for 400 to 499; 0 for no answer.',
      }),
    ),
    toEndpoint: maybe(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description:
          'Addition of Posthorn: the id or uid of another endpoint of the application, to which the messages go instead. What is open there already stays as it is.',
        examples: [ENDPOINT_ID],
      }),
    ),
  },
  {
    title: 'BulkReplayIn',
    additionalProperties: false,
    examples: [{ since: SINCE, eventTypes: ['ticket.*'], states: ['failed'], dryRun: true }],
  },
);

export const ReleaseIn = Type.Object(
  { rate: Rate, dryRun: DryRun },
  { title: 'ReleaseIn', additionalProperties: false, examples: [{ rate: 50 }] },
);

export const DiscardIn = Type.Object(
  { dryRun: DryRun },
  { title: 'DiscardIn', additionalProperties: false, examples: [{ dryRun: true }] },
);

export const DryRunOut = Type.Object(
  {
    count: Type.Integer({ description: 'Deliveries that it is about.', examples: [1_204] }),
    scanned: Type.Integer({
      description: 'Messages (of what is held: deliveries) that were looked at.',
      examples: [90_000],
    }),
    complete: Type.Boolean({
      description: `Whether all were looked at: a count ends after ${SCAN_ROWS} messages, or ${OPEN_COUNTED} deliveries that are held.`,
    }),
  },
  { title: 'DryRunOut' },
);

const bound = (description: string) => nullable(Type.String({ format: 'date-time', description }));
const endpointId = (description: string) => nullable(Type.String({ description, examples: [ENDPOINT_ID] }));

const TaskData = Type.Object(
  {
    applicationId: nullable(
      Type.String({ description: 'Null: it was deleted.', examples: ['app_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    ),
    endpointId: endpointId('The endpoint whose deliveries it is about. Null: it was deleted.'),
    targetEndpointId: endpointId('The endpoint that they go to. Null: it was deleted.'),
    since: bound('Of the messages made from then on; null: of all.'),
    until: bound('Of the messages made before, told in steps of 4 ms; null: of all.'),
    scanned: Type.Integer({ description: 'Messages (of what is held: deliveries) looked at so far.' }),
    affected: Type.Integer({
      description: 'Deliveries of them that were let go so far, or that were cancelled.',
    }),
    progress: Type.Number({
      minimum: 0,
      maximum: 1,
      description:
        'How far it came: the part that was looked at of the messages from the first to the last of its range, or of the deliveries that were held. 1 once it has finished.',
      examples: [0.25],
    }),
    rate: Type.Integer({ description: 'Deliveries a second that are let go, at most.', examples: [100] }),
    waiting: nullable(
      Type.Enum(['endpoint_disabled', 'endpoint_paused'], {
        description: 'Why a running task lets nothing go at the moment; null: it does, or has ended.',
      }),
    ),
  },
  { title: 'TaskData' },
);

export const TaskOut = Type.Object(
  {
    id: Type.String({ examples: [TASK_ID] }),
    status: Type.Enum(TASK_STATUSES, {
      description: '`cancelled`: by a person. `failed`: an endpoint that it is about was deleted.',
    }),
    task: Type.Enum(TASK_NAMES, {
      description: '`endpoint.replay` is what replay-missing begins.',
    }),
    data: TaskData,
    createdAt: Time,
    updatedAt: Time,
  },
  { title: 'TaskOut' },
);
