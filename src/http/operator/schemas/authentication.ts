import Type from 'typebox';
import { SESSION_ID_CHARACTERS } from '../../../limits.ts';
import { ApplicationIn } from './application.ts';
import { maybe } from './common.ts';
import { Capabilities, FeatureFlags } from './key.ts';

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
    capabilities: maybe(Capabilities),
    readOnly: maybe(Type.Boolean({ description: '`true`: nothing but `ViewBase`.' })),
    featureFlags: maybe(FeatureFlags),
    sessionId: maybe(
      Type.String({
        maxLength: SESSION_ID_CHARACTERS,
        description: 'Taken, and without effect: tokens end one by one, by `logout` or under `/api/v1/key`.',
      }),
    ),
  },
  { title: 'AppPortalAccessIn' },
);

export const AppPortalAccessOut = Type.Object(
  {
    url: Type.String({
      examples: ['https://hooks.example.com/console/#code=phc_…'],
      description:
        'The console, with a code that signs in one browser, once, within an hour. Send people there at once: do not keep it.',
    }),
    token: Type.String({ examples: ['phk_…'], description: 'Shown this once: only its hash is kept.' }),
  },
  { title: 'AppPortalAccessOut' },
);
