import Type, { type TSchema } from 'typebox';
import { URL_CHARACTERS } from '../../limits.ts';

/** The operator API's JSON, once: validation, types and OpenAPI all come from here. A `title` names a schema in OpenAPI. */

const WORD = '[a-zA-Z0-9\\-_.]+$';
const THROTTLE_RATE_MOST = 65_535;
const CHANNELS_OF_MESSAGE = 5;
const TAGS_OF_MESSAGE = 5;
const CHANNELS_OF_ENDPOINT = 10;
const RETENTION_DAYS = { minimum: 5, maximum: 90, default: 90 };
const NO_CONTROL = '^[^\\u0000-\\u0008]*$';

const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
/** May be left out or null; both mean the same. */
const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(nullable(schema));

/** An id of the caller's own: never one that looks like ours. */
const uid = (prefix: string, description: string) =>
  Type.String({ minLength: 1, maxLength: 256, pattern: `^(?!${prefix}_)${WORD}`, description });

const EventTypeName = Type.String({
  minLength: 1,
  maxLength: 256,
  pattern: `^${WORD}`,
  examples: ['ticket.created'],
  description: 'What the message is about. It need not be in the catalogue.',
});
const Channel = Type.String({ minLength: 1, maxLength: 256, pattern: `^${WORD}`, examples: ['project_123'] });
const Time = Type.String({ format: 'date-time', examples: ['2026-05-01T07:19:47.000Z'] });
const ThrottleRate = Type.Integer({ minimum: 1, maximum: THROTTLE_RATE_MOST });
const Metadata = Type.Record(Type.String(), Type.String(), { description: 'At most 4096 bytes as JSON.' });

export const ApplicationIn = Type.Object(
  {
    name: Type.String({ minLength: 1, pattern: NO_CONTROL, examples: ['Acme Inc.'] }),
    uid: maybe(uid('app', 'Your own id of the application; it can stand for the id in every path.')),
    throttleRate: maybe(ThrottleRate),
    rateLimit: maybe(ThrottleRate),
    metadata: maybe(Metadata),
  },
  { title: 'ApplicationIn' },
);

export const ApplicationOut = Type.Object(
  {
    id: Type.String({ examples: ['app_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    number: Type.Integer({ description: 'Addition of Posthorn: the company number of the Web Hooks API.' }),
    uid: Type.Optional(Type.String()),
    name: Type.String(),
    throttleRate: nullable(Type.Integer()),
    rateLimit: Type.Optional(Type.Integer()),
    metadata: Metadata,
    createdAt: Time,
    updatedAt: Time,
  },
  { title: 'ApplicationOut' },
);

/** How long a token lives, as the protocol has it. */
export const TOKEN_SECONDS = { minimum: 3_600, maximum: 604_800, default: 604_800 };

export const AppPortalAccessIn = Type.Object(
  {
    application: maybe(ApplicationIn),
    expiry: Type.Optional(
      Type.Union([Type.Integer(TOKEN_SECONDS), Type.Null()], {
        default: TOKEN_SECONDS.default,
        description:
          'Seconds until the token expires. Addition of Posthorn: `null` means never, for the token that a company keeps for its Web Hooks API.',
      }),
    ),
    featureFlags: maybe(
      Type.Array(Type.String({ minLength: 1, maxLength: 256, pattern: `^${WORD}` }), {
        description: 'Taken, and without effect yet.',
      }),
    ),
    readOnly: maybe(Type.Boolean({ description: '`true` is not supported yet.' })),
  },
  { title: 'AppPortalAccessIn' },
);

export const AppPortalAccessOut = Type.Object(
  {
    url: Type.String({ description: 'The documentation that this server has for people.' }),
    token: Type.String({ examples: ['phk_…'], description: 'Shown this once: only its hash is kept.' }),
  },
  { title: 'AppPortalAccessOut' },
);

export const MessageIn = Type.Object(
  {
    eventType: EventTypeName,
    payload: Type.Optional(
      Type.Object(
        {},
        { description: 'What is delivered: this text, to the byte. Required, unless `data` is given.' },
      ),
    ),
    data: Type.Optional(Type.Object({}, { description: 'Another name of `payload`, which wins.' })),
    eventId: maybe(uid('msg', 'Your own id of the message, unique within the application.')),
    channels: maybe(Type.Array(Channel, { minItems: 1, maxItems: CHANNELS_OF_MESSAGE })),
    tags: maybe(
      Type.Array(Type.String({ minLength: 1, maxLength: 256, pattern: `^${WORD}` }), {
        maxItems: TAGS_OF_MESSAGE,
      }),
    ),
    deliverAt: Type.Optional(Type.Null({ description: 'Not supported yet: delivery begins at once.' })),
    payloadRetentionPeriod: Type.Optional(Type.Integer({ ...RETENTION_DAYS, description: 'Days.' })),
    application: maybe(ApplicationIn),
    transformationsParams: maybe(
      Type.Object({
        rawPayload: maybe(
          Type.String({ description: 'Delivered as it is in place of `payload`; it need not be JSON.' }),
        ),
      }),
    ),
  },
  { title: 'MessageIn' },
);

const messageOut = {
  eventId: nullable(Type.String()),
  eventType: Type.String(),
  payload: Type.Unsafe<unknown>({
    type: ['object', 'string'],
    description:
      'As it was published, to the byte. `{}` without content, `{"expired":true}` once it is gone, and a text when a raw payload is no JSON object.',
  }),
  channels: nullable(Type.Array(Type.String())),
  tags: nullable(Type.Array(Type.String())),
  id: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
  timestamp: Time,
};
export const MessageOut = Type.Object(messageOut, { title: 'MessageOut' });

export const MessageBatchOut = Type.Object(
  {
    data: Type.Array(
      Type.Object({
        id: messageOut.id,
        eventId: messageOut.eventId,
        eventType: Type.String(),
        timestamp: Time,
      }),
      { description: 'In the order of the messages.' },
    ),
  },
  { title: 'MessageBatchOut' },
);

export const EndpointIn = Type.Object(
  {
    url: Type.String({
      examples: ['https://example.com/webhook'],
      description: `At most ${URL_CHARACTERS} characters.`,
    }),
    uid: maybe(uid('ep', 'Your own id of the endpoint; it can stand for the id in every path.')),
    description: Type.Optional(Type.String({ pattern: NO_CONTROL, default: '' })),
    disabled: Type.Optional(Type.Boolean({ default: false })),
    eventTypes: maybe(Type.Array(EventTypeName, { minItems: 1 })),
    filterTypes: maybe(
      Type.Array(EventTypeName, { minItems: 1, description: 'Another name of `eventTypes`.' }),
    ),
    channels: maybe(Type.Array(Channel, { minItems: 1, maxItems: CHANNELS_OF_ENDPOINT })),
    throttleRate: maybe(ThrottleRate),
    rateLimit: maybe(ThrottleRate),
    secret: maybe(
      Type.String({ description: '`whsec_` and the base64 of 24 to 75 bytes. Made when left out.' }),
    ),
    metadata: maybe(Metadata),
    headers: maybe(Type.Object({}, { maxProperties: 0, description: 'Not supported yet.' })),
  },
  { title: 'EndpointIn' },
);

const endpointCommon = {
  description: Type.String(),
  rateLimit: nullable(Type.Integer()),
  throttleRate: nullable(Type.Integer()),
  uid: nullable(Type.String()),
  url: Type.String(),
  version: Type.Integer(),
  disabled: Type.Boolean(),
  eventTypes: nullable(Type.Array(Type.String())),
  filterTypes: nullable(Type.Array(Type.String())),
  channels: nullable(Type.Array(Type.String())),
  createdAt: Time,
  updatedAt: Time,
  id: Type.String({ examples: ['ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
  webHookId: Type.String({
    examples: ['1_20120501073314'],
    description: 'Addition of Posthorn: its id in the Web Hooks API.',
  }),
};
export const EndpointOut = Type.Object({ ...endpointCommon, metadata: Metadata }, { title: 'EndpointOut' });
export const EndpointSecretOut = Type.Object(
  { key: Type.String({ examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] }) },
  { title: 'EndpointSecretOut' },
);

const Status = Type.Enum([0, 1, 2, 3], { description: '0 success, 1 pending, 2 fail, 3 sending.' });
const StatusText = Type.Enum(['success', 'pending', 'fail', 'sending']);

export const MessageEndpointOut = Type.Object(
  {
    ...endpointCommon,
    status: Status,
    statusText: StatusText,
    nextAttempt: nullable(Time),
    state: Type.Enum(['pending', 'sending', 'succeeded', 'failed', 'held', 'cancelled'], {
      description: 'Addition of Posthorn: the state of the delivery.',
    }),
    reason: nullable(
      Type.String({ description: 'Addition of Posthorn: why it is held, failed or cancelled.' }),
    ),
    attemptCount: Type.Integer({ description: 'Addition of Posthorn: attempts made so far.' }),
    endpointDeleted: Type.Boolean({ description: 'Addition of Posthorn: the endpoint was deleted since.' }),
  },
  { title: 'MessageEndpointOut' },
);

export const MessageAttemptOut = Type.Object(
  {
    url: Type.String(),
    response: Type.String({ description: 'The start of the answer.' }),
    responseStatusCode: Type.Integer({ description: '0: no answer came.' }),
    responseDurationMs: Type.Integer(),
    status: Status,
    statusText: StatusText,
    triggerType: Type.Enum([0, 1], { description: '0 scheduled, 1 manual.' }),
    msgId: Type.String(),
    endpointId: Type.String(),
    id: Type.String({
      examples: ['atmpt_2nZK5wzbb7UWeTYsEaK6mSrEQhY'],
      description: 'Ids sort by when the attempts were recorded, and so do lists.',
    }),
    timestamp: Type.String({
      format: 'date-time',
      examples: ['2026-05-01T07:19:47.000Z'],
      description:
        'When the attempt began. Lists are in the order of recording, at the end of an attempt: one that took long can stand beside one that began later.',
    }),
    attemptNumber: Type.Integer({ description: 'Addition of Posthorn: 1 for the first try.' }),
    errorCode: nullable(
      Type.String({ description: 'Addition of Posthorn: what went wrong, as a stable code.' }),
    ),
    errorMessage: nullable(
      Type.String({ description: 'Addition of Posthorn: what went wrong, as a sentence.' }),
    ),
  },
  { title: 'MessageAttemptOut' },
);

export const EventTypeOut = Type.Object(
  {
    name: Type.String(),
    description: Type.String(),
    archived: Type.Boolean(),
    deprecated: Type.Boolean(),
    schemas: nullable(
      Type.Record(Type.String(), Type.Unknown(), { description: 'JSON Schema by version, with examples.' }),
    ),
    createdAt: Time,
    updatedAt: Time,
    featureFlag: nullable(Type.String()),
  },
  { title: 'EventTypeOut' },
);

export const listOf = <Schema extends TSchema>(item: Schema, title: string) =>
  Type.Object(
    {
      data: Type.Array(item),
      iterator: nullable(Type.String({ description: 'Pass it as `iterator` for the next page.' })),
      prevIterator: Type.Optional(Type.String({ description: 'Pass it as `iterator` for the page before.' })),
      done: Type.Boolean({ description: 'Whether this was the last page.' }),
    },
    { title },
  );

export const ErrorOut = Type.Object({ code: Type.String(), detail: Type.String() }, { title: 'ErrorOut' });
export const ValidationErrorOut = Type.Object(
  {
    detail: Type.Array(
      Type.Object({
        loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
        msg: Type.String(),
        type: Type.String(),
      }),
    ),
  },
  { title: 'ValidationErrorOut' },
);
