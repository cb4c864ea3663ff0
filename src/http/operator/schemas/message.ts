import Type from 'typebox';
import { ORDERING_KEY_CHARACTERS, SCHEMA_PROBLEMS } from '../../../limits.ts';
import { ApplicationIn } from './application.ts';
import { Channel, EventTypeName, maybe, nullable, Time, uid, word } from './common.ts';
import { deliveryFields, StatusFields } from './status.ts';

const CHANNELS_OF_MESSAGE = 5;
const TAGS_OF_MESSAGE = 5;
const RETENTION_DAYS = { minimum: 5, maximum: 90, default: 90 };
const RETENTION_HOURS = { minimum: 1, maximum: 90 * 24 };
const PAYLOAD_EXAMPLE = { ticket: { id: 4711, subject: 'The printer is on fire' } };

const Tag = word({ examples: ['import'] });

export const MessageIn = Type.Object(
  {
    eventType: EventTypeName,
    payload: Type.Optional(
      Type.Object(
        {},
        {
          description: 'What is delivered: this text, to the byte. Required, unless `data` is given.',
          examples: [PAYLOAD_EXAMPLE],
        },
      ),
    ),
    data: Type.Optional(Type.Object({}, { description: 'Another name of `payload`, which wins.' })),
    eventId: maybe(uid('msg', 'Your own id of the message, unique within the application.')),
    channels: maybe(Type.Array(Channel, { minItems: 1, maxItems: CHANNELS_OF_MESSAGE })),
    tags: maybe(
      Type.Array(Tag, { maxItems: TAGS_OF_MESSAGE, description: 'Words that lists can be filtered by.' }),
    ),
    deliverAt: maybe(
      Type.String({
        format: 'date-time',
        description:
          'When delivery begins, at most 30 days from now. A time that is over means at once, as does nothing.',
      }),
    ),
    expiresAt: maybe(
      Type.String({
        format: 'date-time',
        description:
          'Addition of Posthorn: what was not delivered by then is cancelled. After now and `deliverAt`, at most 90 days from now.',
      }),
    ),
    orderingKey: maybe(
      Type.String({
        minLength: 1,
        maxLength: ORDERING_KEY_CHARACTERS,
        description:
          'Addition of Posthorn: endpoints whose `ordering` is `key` get the messages of one key one after another, as they were published. Any text without NUL.',
        examples: ['ticket-4711'],
      }),
    ),
    payloadRetentionPeriod: maybe(
      Type.Integer({ ...RETENTION_DAYS, description: 'Days until the payload is forgotten.' }),
    ),
    payloadRetentionHours: maybe(
      Type.Integer({
        ...RETENTION_HOURS,
        description:
          'Hours until the payload is forgotten, instead of days. What was not delivered by then is cancelled.',
      }),
    ),
    application: maybe(ApplicationIn),
    transformationsParams: maybe(
      Type.Object({
        rawPayload: maybe(
          Type.String({ description: 'Delivered as it is in place of `payload`; it need not be JSON.' }),
        ),
      }),
    ),
  },
  {
    title: 'MessageIn',
    examples: [
      {
        eventType: 'ticket.created',
        eventId: 'ticket-4711-created',
        payload: PAYLOAD_EXAMPLE,
        orderingKey: 'ticket-4711',
      },
    ],
  },
);

/** What the event type's schema does not allow in a payload that was taken all the same. */
const SchemaProblems = Type.Array(
  Type.Object({
    loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
    msg: Type.String(),
  }),
  {
    description: `Addition of Posthorn, only where there are any: what the schema of the event type does not allow, at most ${SCHEMA_PROBLEMS}.`,
    examples: [[{ loc: ['body', 'payload', 'ticket', 'id'], msg: 'must be integer' }]],
  },
);
const Matched = Type.Boolean({
  description:
    'Addition of Posthorn: whether any endpoint wanted it. One that none wanted is kept all the same.',
});

const messageOut = {
  eventId: nullable(Type.String({ examples: ['ticket-4711-created'] })),
  eventType: Type.String({ examples: ['ticket.created'] }),
  payload: Type.Unsafe<unknown>({
    type: ['object', 'string'],
    description:
      'As it was published, to the byte. `{}` without content, `{"expired":true}` once it is gone, and a text when a raw payload is no JSON object.',
    examples: [PAYLOAD_EXAMPLE],
  }),
  channels: nullable(Type.Array(Type.String(), { examples: [['project_123']] })),
  tags: nullable(Type.Array(Type.String(), { examples: [['import']] })),
  id: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
  timestamp: Time,
  deliverAt: nullable(
    Type.String({ format: 'date-time', description: 'When delivery begins or began; null: at once.' }),
  ),
  expiresAt: nullable(
    Type.String({
      format: 'date-time',
      description: 'Addition of Posthorn: what was not delivered by then is cancelled; null: never.',
    }),
  ),
  orderingKey: nullable(
    Type.String({
      description: 'Addition of Posthorn: what endpoints that are ordered by key order it by.',
      examples: ['ticket-4711'],
    }),
  ),
  matched: Matched,
};
export const MessageOut = Type.Object(messageOut, { title: 'MessageOut' });

/** A message as the call that published it is answered. */
export const PublishedMessageOut = Type.Object(
  { ...messageOut, schemaProblems: Type.Optional(SchemaProblems) },
  { title: 'PublishedMessageOut' },
);

/** A message with what became of it at one endpoint. */
export const EndpointMessageOut = Type.Object(
  { ...messageOut, ...StatusFields, ...deliveryFields },
  { title: 'EndpointMessageOut' },
);

export const MessageBatchOut = Type.Object(
  {
    data: Type.Array(
      Type.Object({
        id: messageOut.id,
        eventId: messageOut.eventId,
        eventType: messageOut.eventType,
        timestamp: Time,
        matched: Matched,
        schemaProblems: Type.Optional(SchemaProblems),
      }),
      { description: 'In the order of the messages.' },
    ),
  },
  { title: 'MessageBatchOut' },
);

export const EventExampleIn = Type.Object(
  {
    eventType: EventTypeName,
    exampleIndex: maybe(
      Type.Integer({
        minimum: 0,
        maximum: 9_999,
        default: 0,
        description: 'Which of the examples in the schema of the event type, from 0.',
      }),
    ),
  },
  { title: 'EventExampleIn', examples: [{ eventType: 'ticket.created', exampleIndex: 0 }] },
);
