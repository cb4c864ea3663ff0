import Type from 'typebox';
import {
  ENDPOINT_HEADER_VALUE_BYTES,
  ENDPOINT_HEADERS,
  ENDPOINT_HEADERS_BYTES,
  EVENT_TYPES_PER_ENDPOINT,
  SECRETS_ROTATED_OUT,
  URL_CHARACTERS,
} from '../../../limits.ts';
import {
  Channel,
  Description,
  EventTypePattern,
  Metadata,
  maybe,
  nullable,
  RateLimit,
  recordOf,
  ThrottleRate,
  Time,
  uid,
} from './common.ts';
import { controlIn, controlInExample, controlOut, controlOutExample } from './delivery-control.ts';

const CHANNELS_OF_ENDPOINT = 10;
const VERSION_MOST = 65_535;
const SECRET_EXAMPLE = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

const Url = Type.String({
  examples: ['https://example.com/webhook'],
  description: `An absolute http or https URL of at most ${URL_CHARACTERS} characters.`,
});
const EventTypes = Type.Array(EventTypePattern, {
  minItems: 1,
  maxItems: EVENT_TYPES_PER_ENDPOINT,
  description:
    'Only these are delivered, `ticket.*` standing for all that begin with `ticket.`; all are when it is left out.',
});
const FilterTypes = Type.Array(EventTypePattern, {
  minItems: 1,
  maxItems: EVENT_TYPES_PER_ENDPOINT,
  description: 'The older name of `eventTypes`, which wins.',
});
const Version = Type.Integer({
  minimum: 1,
  maximum: VERSION_MOST,
  description: 'Kept and shown; nothing reads it. 1 when left out.',
});
const Secret = Type.String({
  examples: [SECRET_EXAMPLE],
  description:
    '`whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and the base64 of an ed25519 key pair of 64 bytes.',
});
const Headers = recordOf(Type.String(), {
  examples: [{ 'X-Example': '123' }],
  description: `Sent with each request. At most ${ENDPOINT_HEADERS}, ${ENDPOINT_HEADERS_BYTES} bytes together and ${ENDPOINT_HEADER_VALUE_BYTES} each.`,
});

const optional = {
  uid: maybe(uid('ep', 'Your own id of the endpoint; it can stand for the id in every path.')),
  description: Type.Optional(Description),
  disabled: Type.Optional(
    Type.Boolean({
      description:
        'Nothing is sent; messages for it are held until somebody releases or discards them. `false` when left out.',
    }),
  ),
  eventTypes: maybe(EventTypes),
  filterTypes: maybe(FilterTypes),
  channels: maybe(
    Type.Array(Channel, {
      minItems: 1,
      maxItems: CHANNELS_OF_ENDPOINT,
      description: 'Only messages of one of these are delivered; all are when it is left out.',
    }),
  ),
  throttleRate: maybe(ThrottleRate),
  rateLimit: maybe(RateLimit),
  metadata: maybe(Metadata),
  ...controlIn,
};
const example = {
  url: 'https://example.com/webhook',
  uid: 'orders',
  description: 'Orders of the shop',
  eventTypes: ['ticket.*'],
  channels: ['project_123'],
  throttleRate: 50,
  metadata: { owner: 'sales' },
};
const exampleIn = { ...example, ...controlInExample };

export const EndpointIn = Type.Object(
  {
    url: Url,
    ...optional,
    version: maybe(Version),
    secret: maybe(Secret),
    headers: maybe(Headers),
  },
  { title: 'EndpointIn', examples: [{ ...exampleIn, headers: { 'X-Example': '123' } }] },
);

export const EndpointUpdate = Type.Object(
  { url: Url, ...optional, version: maybe(Version) },
  {
    title: 'EndpointUpdate',
    description:
      'Replaces everything but the secret and the headers: what is left out is cleared. The additions of Posthorn, which clients of the protocol do not know, stay: `paused`, `maxInFlight`, `ordering`, `retrySchedule` and `finalStatuses`.',
    examples: [exampleIn],
  },
);

export const EndpointPatch = Type.Object(
  {
    url: Type.Optional(Url),
    ...optional,
    version: Type.Optional(Version),
    secret: Type.Optional(
      Type.String({
        examples: [SECRET_EXAMPLE],
        description: 'Takes the place of the current one at once. Rotate it to let both sign for a while.',
      }),
    ),
  },
  {
    title: 'EndpointPatch',
    description: 'What is left out stays; `null` clears.',
    examples: [{ paused: true, throttleRate: null, retrySchedule: { delaysSeconds: [10, 60] } }],
  },
);

/** The fields that every form of an endpoint has. */
export const endpointCommon = {
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
    description: 'Addition of Posthorn: its id in the Web Hooks API, by which it is found here, too.',
  }),
};

export const EndpointOut = Type.Object(
  { ...endpointCommon, metadata: recordOf(Type.String()), ...controlOut },
  {
    title: 'EndpointOut',
    examples: [
      {
        ...example,
        ...controlOutExample,
        rateLimit: 50,
        version: 1,
        disabled: false,
        filterTypes: ['ticket.*'],
        createdAt: '2026-05-01T07:19:47.000Z',
        updatedAt: '2026-05-01T07:19:47.000Z',
        id: 'ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY',
        webHookId: '2_20260501071947',
      },
    ],
  },
);

export const EndpointSecretOut = Type.Object(
  {
    key: Type.String({
      examples: [SECRET_EXAMPLE],
      description: 'Of a `whsk_` key pair only the public half, `whpk_…`.',
    }),
  },
  { title: 'EndpointSecretOut', examples: [{ key: SECRET_EXAMPLE }] },
);

/** As the protocol has it. */
export const GRACE_SECONDS = { minimum: 0, maximum: 604_800, default: 86_400 };

export const EndpointSecretRotateIn = Type.Object(
  {
    key: maybe(
      Type.String({
        examples: [SECRET_EXAMPLE],
        description: 'The new secret; one is made when it is left out.',
      }),
    ),
    gracePeriodSeconds: maybe(
      Type.Integer({
        ...GRACE_SECONDS,
        description: `How long the secret before signs too. At most ${SECRETS_ROTATED_OUT} do so.`,
      }),
    ),
  },
  { title: 'EndpointSecretRotateIn', examples: [{ gracePeriodSeconds: 3_600 }] },
);

export const EndpointHeadersIn = Type.Object(
  { headers: Headers },
  {
    title: 'EndpointHeadersIn',
    description: 'Takes the place of all headers there were.',
    examples: [{ headers: { 'X-Example': '123' } }],
  },
);

export const EndpointHeadersPatchIn = Type.Object(
  {
    headers: Type.Optional(
      recordOf(nullable(Type.String()), {
        examples: [{ 'X-Example': '456', 'X-Gone': null }],
        description: '`null` removes a header.',
      }),
    ),
    deleteHeaders: maybe(
      Type.Array(Type.String(), {
        maxItems: ENDPOINT_HEADERS,
        examples: [['X-Gone']],
        description: 'Names of headers to remove.',
      }),
    ),
  },
  {
    title: 'EndpointHeadersPatchIn',
    description: 'Other headers stay. Names are the same in any case of letters.',
    examples: [{ headers: { 'X-Example': '456' }, deleteHeaders: ['X-Gone'] }],
  },
);

export const EndpointHeadersOut = Type.Object(
  {
    headers: recordOf(Type.String(), { description: 'Those whose values may be shown.' }),
    sensitive: Type.Array(Type.String(), {
      description: 'The names of the others, which could be those of credentials.',
    }),
  },
  {
    title: 'EndpointHeadersOut',
    examples: [{ headers: { 'X-Example': '123' }, sensitive: ['Authorization'] }],
  },
);
