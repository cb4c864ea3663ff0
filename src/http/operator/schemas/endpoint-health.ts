import Type from 'typebox';
import { IN_FLIGHT_PER_ENDPOINT, OPEN_COUNTED } from '../../../limits.ts';
import { nullable } from './common.ts';

const counted = (what: string) =>
  Type.Integer({ description: `Deliveries that ${what}. At most ${OPEN_COUNTED} are counted.` });

export const EndpointStats = Type.Object(
  {
    success: Type.Integer({ description: 'Attempts of the range that succeeded.', examples: [1_204] }),
    pending: Type.Integer({
      description: `Deliveries that wait now; those that are held too. At most ${OPEN_COUNTED} of either are counted.`,
    }),
    sending: counted('are under way now'),
    fail: Type.Integer({ description: 'Attempts of the range that failed.' }),
    canceled: Type.Integer({ description: 'Always 0: no attempt is ever cancelled.' }),
  },
  { title: 'EndpointStats' },
);

export const EndpointHealth = Type.Object(
  {
    state: Type.Enum(['healthy', 'failing', 'breaker_open', 'paused', 'disabled'], {
      description:
        'The first of these that holds: `disabled`, `paused`, `breaker_open` (so many failures in a row that only one delivery at a time tries it), `failing` (the last attempt failed), `healthy`.',
    }),
    failingSince: nullable(
      Type.String({
        format: 'date-time',
        description: 'The first failure after the last success; null: the last attempt succeeded.',
      }),
    ),
    disablesAt: nullable(
      Type.String({
        format: 'date-time',
        description: 'When it is disabled, if nothing but failure comes until then. Null: not at all.',
      }),
    ),
    breaker: Type.Object(
      {
        open: Type.Boolean(),
        failures: nullable(
          Type.Integer({
            description:
              'In a row, up to now. Null: another node sends to the endpoint, and has counted them.',
          }),
        ),
        nextProbe: nullable(
          Type.String({
            format: 'date-time',
            description:
              'When the next delivery goes out to try the endpoint: the one that is due first, but not before the breaker lets it. Null: one is under way, none waits, or another node sends to the endpoint.',
          }),
        ),
      },
      { description: 'While it is open, deliveries wait, and their schedules with them.' },
    ),
    inFlight: Type.Integer({ description: 'Requests under way, at the node that answers this.' }),
    maxInFlight: Type.Integer({
      description: 'Requests under way at once, at most.',
      examples: [IN_FLIGHT_PER_ENDPOINT],
    }),
    inFlightLimit: nullable(
      Type.Integer({
        description:
          'Requests that may be under way at present: one more with each answer, up to `maxInFlight`, and half as many after one that got none; 1 while the breaker is open. Null: nothing was sent lately, and it begins with 4.',
      }),
    ),
    pending: counted('wait for their turn or their next try'),
    sending: counted('are under way now'),
    held: counted('are held'),
    blockedBy: nullable(
      Type.Object(
        { msgId: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }) },
        {
          description:
            'Of an endpoint whose `ordering` is `endpoint`: the message whose delivery failed or is held, so that all behind it wait. Null: none, or it is not ordered so.',
        },
      ),
    ),
  },
  { title: 'EndpointHealth' },
);
