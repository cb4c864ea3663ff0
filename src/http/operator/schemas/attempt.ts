import Type from 'typebox';
import { nullable, recordOf } from './common.ts';
import { endpointCommon } from './endpoint.ts';
import { MessageOut } from './message.ts';
import { deliveryFields, Status, StatusFields, StatusText } from './status.ts';

export const MessageEndpointOut = Type.Object(
  {
    ...endpointCommon,
    ...StatusFields,
    ...deliveryFields,
    endpointDeleted: Type.Boolean({ description: 'Addition of Posthorn: the endpoint was deleted since.' }),
  },
  { title: 'MessageEndpointOut' },
);

const headers = (description: string, example: Record<string, string>) =>
  recordOf(Type.String(), {
    description: `Addition of Posthorn: ${description} Values of credentials are hidden.`,
    examples: [example],
  });

export const MessageAttemptOut = Type.Object(
  {
    url: Type.String({ examples: ['https://example.com/webhook'] }),
    response: Type.String({
      description: 'The start of the answer; `EXPUNGED` when it was, and `{}` without content.',
      examples: ['ok'],
    }),
    responseStatusCode: Type.Integer({ description: '0: no answer came.', examples: [200] }),
    responseDurationMs: Type.Integer({ examples: [42] }),
    status: Status,
    statusText: StatusText,
    triggerType: Type.Enum([0, 1], { description: '0 scheduled, 1 manual: a resend.' }),
    msgId: Type.String({ examples: ['msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    endpointId: Type.String({ examples: ['ep_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
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
    attemptNumber: nullable(
      Type.Integer({
        examples: [1],
        description: 'Addition of Posthorn: 1 for the first try of the schedule; null: a resend, beside it.',
      }),
    ),
    errorCode: nullable(
      Type.String({
        description: 'Addition of Posthorn: what went wrong, as a stable code.',
        examples: ['timed_out'],
      }),
    ),
    errorMessage: nullable(
      Type.String({ description: 'Addition of Posthorn: what went wrong, as a sentence.' }),
    ),
    requestHeaders: headers('what was sent, as far as 4,096 characters go.', {
      'content-type': 'application/json',
      'webhook-id': 'msg_2nZK5wzbb7UWeTYsEaK6mSrEQhY',
    }),
    responseHeaders: headers(
      'what came back, as far as 4,096 characters go; more than one of a name with commas between.',
      { 'content-type': 'text/plain' },
    ),
    msg: Type.Optional(MessageOut),
  },
  { title: 'MessageAttemptOut' },
);
