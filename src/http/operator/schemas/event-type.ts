import Type from 'typebox';
import { EVENT_SCHEMAS_CHARACTERS, FEATURE_FLAGS } from '../../../limits.ts';
import { VALIDATIONS } from '../../../model/event-type.ts';
import {
  Description,
  FeatureFlag,
  GroupName,
  maybe,
  NewEventTypeName,
  nullable,
  recordOf,
  Time,
  word,
} from './common.ts';

const ByVersion = recordOf(Type.Unknown(), {
  description: `JSON Schema (draft 7) of the payload by version, \`{"1": {…}}\`; examples of payloads stand in its \`examples\`. At most ${EVENT_SCHEMAS_CHARACTERS} characters as JSON.`,
});

const optional = {
  archived: Type.Optional(Type.Boolean({ description: 'Not offered any more. `false` when left out.' })),
  deprecated: Type.Optional(Type.Boolean({ description: 'For people. `false` when left out.' })),
  schemas: maybe(ByVersion),
  featureFlags: maybe(
    Type.Array(FeatureFlag, {
      maxItems: FEATURE_FLAGS,
      description: 'Only applications whose key has one of these see it; every application does without any.',
    }),
  ),
  featureFlag: maybe(word({ description: 'The older, single form of `featureFlags`, which wins.' })),
  groupName: maybe(GroupName),
  validation: maybe(
    Type.Enum([...VALIDATIONS], {
      description:
        'Addition of Posthorn: what becomes of a payload that the schema with the highest version does not allow. `warn`: it is taken, and the answer has its problems; `reject`: it is refused. Both need `schemas`. `off` at first, and when it is null; it stays when it is left out.',
    }),
  ),
};

const example = {
  description: 'A customer or an agent has opened a ticket.',
  schemas: {
    '1': {
      type: 'object',
      properties: { id: { type: 'integer' } },
      required: ['id'],
      examples: [{ id: 1 }],
    },
  },
  featureFlags: ['beta'],
  groupName: 'ticket',
  validation: 'warn',
};

export const EventTypeIn = Type.Object(
  { name: NewEventTypeName, description: Description, ...optional },
  { title: 'EventTypeIn', examples: [{ name: 'ticket.created', ...example }] },
);

export const EventTypeUpdate = Type.Object(
  { description: Description, ...optional },
  { title: 'EventTypeUpdate', examples: [example] },
);

export const EventTypePatch = Type.Object(
  { description: Type.Optional(Description), ...optional },
  {
    title: 'EventTypePatch',
    description: 'What is left out stays; `null` clears.',
    examples: [{ deprecated: true, featureFlags: null, validation: 'reject' }],
  },
);

export const EventTypeOut = Type.Object(
  {
    name: Type.String(),
    description: Type.String(),
    archived: Type.Boolean(),
    deprecated: Type.Boolean(),
    schemas: nullable(
      recordOf(Type.Unknown(), { description: 'JSON Schema (draft 7) by version, with examples.' }),
    ),
    createdAt: Time,
    updatedAt: Time,
    featureFlag: nullable(Type.String({ description: 'The first of `featureFlags`.' })),
    featureFlags: nullable(Type.Array(Type.String())),
    groupName: nullable(Type.String()),
    validation: Type.Enum([...VALIDATIONS], {
      description: 'Addition of Posthorn: what becomes of a payload that the schema does not allow.',
    }),
  },
  {
    title: 'EventTypeOut',
    examples: [
      {
        name: 'ticket.created',
        ...example,
        archived: false,
        deprecated: false,
        createdAt: '2026-05-01T07:19:47.000Z',
        updatedAt: '2026-05-01T07:19:47.000Z',
        featureFlag: 'beta',
      },
    ],
  },
);
