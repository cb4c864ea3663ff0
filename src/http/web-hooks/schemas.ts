import Type from 'typebox';
import { URL_CHARACTERS } from '../../limits.ts';

const id = Type.String({
  examples: ['1_20120501073314'],
  description: 'The company number and a second in UTC.',
});
const url = Type.String({
  examples: ['http://example.com'],
  description: `An absolute http or https URL of at most ${URL_CHARACTERS} characters. It comes back as it was given.`,
});

const WebHook = Type.Object({ id, url }, { title: 'WebHook' });
export const WebHookOut = Type.Object({ web_hook: WebHook }, { title: 'WebHookOut' });
export const WebHookListOut = Type.Object(
  { web_hooks: Type.Array(WebHook, { description: 'Oldest first.' }) },
  { title: 'WebHookListOut' },
);
export const WebHookIn = Type.Object({ web_hook: Type.Object({ url }) }, { title: 'WebHookIn' });

export const TestIn = Type.Object(
  {
    action_type: Type.String({
      examples: ['ticket.created'],
      description: 'The kind of action to trigger; its example from the catalogue is sent.',
    }),
    url,
  },
  { title: 'WebHookTestIn' },
);

export const TestOut = Type.Object(
  {
    test: Type.Object({
      result: Type.Enum(['succeeded', 'failed']),
      action_type: Type.String(),
      url,
      message_id: Type.String({ description: 'The `webhook-id` that was sent.' }),
      status: Type.Union([Type.Integer(), Type.Null()], { description: 'Of the answer; null: none came.' }),
      response_body: Type.String({ description: 'The start of the answer.' }),
      duration_ms: Type.Integer(),
      error: Type.Union([Type.Object({ code: Type.String(), message: Type.String() }), Type.Null()]),
      signed_with: Type.String({ examples: ['web hook 1_20120501073314', 'a throwaway secret'] }),
      secret: Type.Optional(
        Type.String({ description: 'Of a URL that is no web hook of the company: made for this test.' }),
      ),
    }),
  },
  { title: 'WebHookTestOut' },
);

export const FieldErrorsOut = Type.Object(
  {
    errors: Type.Record(Type.String(), Type.Array(Type.String()), {
      examples: [{ url: ["can't be blank"] }],
    }),
  },
  { title: 'FieldErrorsOut' },
);
