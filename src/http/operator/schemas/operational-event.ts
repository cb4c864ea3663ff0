import Type, { type TProperties } from 'typebox';
import type { AnnouncementType } from '../../../model/announcement.ts';
import { nullable, Time } from './common.ts';

/** What operators are told by operational webhooks: the bodies, as the protocol has them, with what Posthorn adds. */

const APP = 'app_2nZK5wzbb7UWeTYsEaK6mSrEQhY';
const ENDPOINT = 'ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY';
const AT = '2026-05-01T07:19:47.000Z';

const ofEndpoint = {
  appId: Type.String({ examples: [APP] }),
  appUid: nullable(Type.String({ examples: ['acme'] })),
  endpointId: Type.String({ examples: [ENDPOINT] }),
  endpointUid: nullable(Type.String({ examples: ['orders'] })),
};
const ofEndpointExample = { appId: APP, appUid: 'acme', endpointId: ENDPOINT, endpointUid: null };

const ofAttempt = {
  appId: ofEndpoint.appId,
  appUid: ofEndpoint.appUid,
  endpointId: ofEndpoint.endpointId,
  msgId: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
  msgEventId: nullable(Type.String({ examples: ['ticket-4711-created'] })),
  lastAttempt: Type.Object({
    id: Type.String({ examples: ['atmpt_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    responseStatusCode: Type.Integer({ description: '0: no answer came.', examples: [503] }),
    timestamp: Time,
  }),
};
const ofAttemptExample = {
  appId: APP,
  appUid: 'acme',
  endpointId: ENDPOINT,
  msgId: 'msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY',
  msgEventId: null,
  lastAttempt: { id: 'atmpt_2nZK5wzbb7UWeTYsEaK6mSrEQhY', responseStatusCode: 503, timestamp: AT },
};

const FailSince = Type.String({
  format: 'date-time',
  description: 'Since when nothing but failure came back; of one that a person disabled, when that was.',
});

interface Event {
  readonly summary: string;
  readonly data: TProperties;
  readonly example: object;
}

const EVENTS: Readonly<Record<AnnouncementType, Event>> = {
  'endpoint.created': {
    summary: 'An endpoint was created',
    data: ofEndpoint,
    example: ofEndpointExample,
  },
  'endpoint.updated': {
    summary: 'An endpoint was changed, its secret or its headers',
    data: ofEndpoint,
    example: ofEndpointExample,
  },
  'endpoint.deleted': {
    summary: 'An endpoint was deleted',
    data: ofEndpoint,
    example: ofEndpointExample,
  },
  'endpoint.enabled': {
    summary: 'An endpoint that was disabled is enabled again (addition of Posthorn)',
    data: ofEndpoint,
    example: ofEndpointExample,
  },
  'endpoint.disabled': {
    summary: 'An endpoint was disabled: by a person, or because of what it answered',
    data: {
      ...ofEndpoint,
      failSince: FailSince,
      reason: Type.Enum(['manual', 'gone', 'failing'], {
        description:
          'Addition of Posthorn. `gone`: it answered 410. `failing`: it did nothing but fail for too long.',
      }),
    },
    example: { ...ofEndpointExample, failSince: AT, reason: 'failing' },
  },
  'endpoint.failing': {
    summary: 'An endpoint does nothing but fail, and will be disabled if that goes on (addition of Posthorn)',
    data: {
      ...ofEndpoint,
      failSince: FailSince,
      disableAt: Type.String({ format: 'date-time', description: 'When it will be disabled.' }),
    },
    example: { ...ofEndpointExample, failSince: AT, disableAt: '2026-05-06T07:19:47.000Z' },
  },
  'message.attempt.failing': {
    summary: 'A delivery failed for the fourth time, and will be tried again',
    data: ofAttempt,
    example: ofAttemptExample,
  },
  'message.attempt.exhausted': {
    summary: 'A delivery failed, and will not be tried again',
    data: ofAttempt,
    example: ofAttemptExample,
  },
  'message.attempt.recovered': {
    summary: 'A delivery of which operators were told that it fails has arrived',
    data: ofAttempt,
    example: {
      ...ofAttemptExample,
      lastAttempt: { ...ofAttemptExample.lastAttempt, responseStatusCode: 204 },
    },
  },
};

/** `webhooks` of the OpenAPI document: what is sent to endpoints of operators. */
export function operationalWebhooks() {
  return Object.fromEntries(
    Object.entries(EVENTS).map(([type, event]) => [type, { post: operation(type, event) }]),
  );
}

function operation(type: string, { summary, data, example }: Event) {
  const title = `${type.split('.').map(capitalised).join('')}Event`;
  const schema = Type.Object(
    { type: Type.Literal(type), data: Type.Object(data, { title: `${title}Data` }) },
    { title, examples: [{ type, data: example }] },
  );
  return {
    operationId: `told${title}`,
    tags: ['Operational Webhook'],
    summary,
    description: 'Signed as every webhook, by the secret of the endpoint that it is sent to.',
    security: [],
    requestBody: { required: true, content: { 'application/json': { schema } } },
    responses: { '2XX': { description: 'It was taken. Any other answer has it sent again.' } },
  };
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
