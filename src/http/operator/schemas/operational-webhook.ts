import Type from 'typebox';
import { announcementTypes } from '../../../model/announcement.ts';
import { maybe } from './common.ts';
import { EndpointIn, EndpointOut, EndpointPatch, EndpointUpdate } from './endpoint.ts';

/** Endpoints of operators: as others, but that they choose among other event types, and that no message has a channel. */

const PATTERNS = ['endpoint.*', 'message.*', 'message.attempt.*'] as const;

const EventTypes = Type.Array(Type.Enum([...announcementTypes, ...PATTERNS]), {
  minItems: 1,
  maxItems: announcementTypes.length + PATTERNS.length,
  description:
    'Only these are delivered, `endpoint.*` standing for all that begin with `endpoint.`; all are when it is left out.',
});
const chosen = {
  eventTypes: maybe(EventTypes),
  filterTypes: maybe(EventTypes),
  channels: Type.Optional(Type.Null({ description: 'What operators are told has no channels.' })),
};
const example = {
  url: 'https://example.com/operations',
  uid: 'pager',
  eventTypes: ['endpoint.disabled', 'endpoint.failing', 'message.attempt.*'],
};

export const OperationalWebhookEndpointIn = Type.Object(
  { ...EndpointIn.properties, ...chosen },
  { title: 'OperationalWebhookEndpointIn', examples: [example] },
);

export const OperationalWebhookEndpointUpdate = Type.Object(
  { ...EndpointUpdate.properties, ...chosen },
  {
    title: 'OperationalWebhookEndpointUpdate',
    description: 'What is left out is cleared, or stays, as in `EndpointUpdate`.',
    examples: [example],
  },
);

export const OperationalWebhookEndpointPatch = Type.Object(
  { ...EndpointPatch.properties, ...chosen },
  {
    title: 'OperationalWebhookEndpointPatch',
    description: 'What is left out stays; `null` clears.',
    examples: [{ eventTypes: ['endpoint.*'] }],
  },
);

const { webHookId: _, ...endpointOut } = EndpointOut.properties;

export const OperationalWebhookEndpointOut = Type.Object(
  {
    ...endpointOut,
    applicationId: Type.String({
      examples: ['app_2nZK5wzbb7UWeTYsEaK6mSrEQhY'],
      description:
        'Addition of Posthorn: with it, the calls below `/app/{app_id}` read what became of operational webhooks.',
    }),
  },
  { title: 'OperationalWebhookEndpointOut' },
);
