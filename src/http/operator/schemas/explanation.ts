import Type from 'typebox';
import { nullable, Time } from './common.ts';
import { REASONS, STATES } from './status.ts';

export const Explanation = Type.Object(
  {
    endpointId: Type.String({ examples: ['ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    endpointUid: nullable(Type.String({ examples: ['orders'] })),
    url: Type.String({
      examples: ['https://example.com/webhook'],
      description: 'Of the endpoint, as it is now.',
    }),
    msgId: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    matched: Type.Boolean({ description: 'Whether the message is for the endpoint: there is a delivery.' }),
    rule: nullable(
      Type.Enum(['event_type', 'channels', 'endpoint_newer', 'changed_since'], {
        description:
          'Why there is none: the endpoint does not ask for the event type, or for one of the channels; it was made after the message; or it would get the message today, and was changed since, or the message was sent to another endpoint alone (as send-example does).',
      }),
    ),
    state: nullable(Type.Enum(STATES)),
    reason: nullable(Type.Enum(REASONS)),
    text: Type.String({
      description: 'All of it, for people.',
      examples: ['The endpoint does not ask for the event type ticket.created.'],
    }),
    waitsFor: nullable(
      Type.Enum(
        [
          'deliver_at',
          'retry',
          'order',
          'breaker',
          'throttle',
          'in_flight',
          'turn',
          'endpoint_disabled',
          'endpoint_paused',
        ],
        { description: 'What an open delivery waits for.' },
      ),
    ),
    behind: nullable(
      Type.String({
        description: 'The older message that an ordered delivery waits behind.',
        examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhX'],
      }),
    ),
    attemptCount: Type.Integer({ description: 'Attempts of its schedule so far.' }),
    lastAttempt: nullable(
      Type.Object({
        id: Type.String({ examples: ['atmpt_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
        timestamp: Time,
        responseStatusCode: Type.Integer({ description: '0: no answer came.', examples: [500] }),
        errorCode: nullable(Type.String({ examples: ['timed_out'] })),
      }),
    ),
    nextAttempt: nullable(Time),
    plannedAttempts: Type.Array(Time, {
      description:
        'When it is tried again if each try fails at once, the next one first, without jitter. None earlier than a breaker lets it; empty where nobody knows: behind another.',
    }),
    schema: nullable(
      Type.Object(
        {
          valid: Type.Boolean(),
          problems: Type.Array(
            Type.Object({
              loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
              msg: Type.String(),
            }),
          ),
        },
        { description: 'What the schema of the event type says of the payload; null: nothing.' },
      ),
    ),
  },
  { title: 'Explanation' },
);
