import Type from 'typebox';
import {
  KEY_EXPIRY_SECONDS,
  KEY_FEATURE_FLAGS,
  KEY_GRACE_SECONDS,
  KEY_NAME_CHARACTERS,
} from '../../../limits.ts';
import { CAPABILITIES } from '../../../model/key.ts';
import { KEY_NAME } from '../../../model/key-name.ts';
import { FeatureFlag, maybe, nullable, Time } from './common.ts';

export const Capabilities = Type.Array(Type.Enum([...CAPABILITIES]), {
  description:
    'What the key may do of what is its application’s own. `ViewBase` is always among it. Left out or null: everything.',
});

export const FeatureFlags = Type.Array(FeatureFlag, {
  maxItems: KEY_FEATURE_FLAGS,
  description: 'The key sees the event types that have one of these flags, beside those that have none.',
});

const Expiry = Type.Integer({
  minimum: KEY_EXPIRY_SECONDS.least,
  maximum: KEY_EXPIRY_SECONDS.most,
  examples: [2_592_000],
});

export const KeyIn = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: KEY_NAME_CHARACTERS,
      pattern: KEY_NAME,
      examples: ['CI'],
      description: 'What it is for, shown to people. Without control characters.',
    }),
    application: Type.Union([Type.String({ minLength: 1 }), Type.Integer({ minimum: 1 }), Type.Null()], {
      examples: ['acme'],
      description:
        'The id, uid or number of the application that it is for. `null`: an operator key, for all of them and without limits.',
    }),
    capabilities: maybe(Capabilities),
    readOnly: maybe(Type.Boolean({ description: '`true`: nothing but `ViewBase`.' })),
    featureFlags: maybe(FeatureFlags),
    expiry: Type.Optional(nullable(Expiry)),
  },
  {
    title: 'KeyIn',
    additionalProperties: false,
    examples: [{ name: 'CI', application: 'acme', readOnly: true }],
  },
);

export const KeyRotateIn = Type.Object(
  {
    gracePeriodSeconds: maybe(
      Type.Integer({
        minimum: 0,
        maximum: KEY_GRACE_SECONDS.most,
        default: KEY_GRACE_SECONDS.usual,
        description: 'How long the old key stays good.',
      }),
    ),
    expiry: Type.Optional(
      Type.Union([Expiry, Type.Null()], {
        description: 'Seconds until the new key expires; null: never. Left out: when the old one would have.',
      }),
    ),
  },
  { title: 'KeyRotateIn', additionalProperties: false, examples: [{ gracePeriodSeconds: 3_600 }] },
);

const keyOut = {
  id: Type.String({ examples: ['key_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
  name: Type.String(),
  applicationId: nullable(Type.String({ description: 'null: an operator key' })),
  capabilities: nullable(
    Type.Array(Type.Enum([...CAPABILITIES]), { description: 'null: everything in its scope' }),
  ),
  featureFlags: Type.Array(Type.String()),
  slot: nullable(
    Type.Enum(['operator', 'company 1'], {
      description:
        'The key of a first start, which a start with `POSTHORN_OPERATOR_KEY` or `POSTHORN_COMPANY_TOKEN` replaces.',
    }),
  ),
  createdAt: Time,
  expiresAt: nullable(Time),
  lastUsedAt: nullable(Time),
};

export const KeyOut = Type.Object(keyOut, { title: 'KeyOut' });
export const KeyMadeOut = Type.Object(
  {
    ...keyOut,
    key: Type.String({ examples: ['phk_…'], description: 'Shown this once: only its hash is kept.' }),
  },
  { title: 'KeyMadeOut' },
);
