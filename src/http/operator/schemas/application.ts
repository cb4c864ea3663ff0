import Type from 'typebox';
import { TEXT_CHARACTERS } from '../../../limits.ts';
import {
  Metadata,
  maybe,
  NO_CONTROL,
  nullable,
  RateLimit,
  recordOf,
  ThrottleRate,
  Time,
  uid,
} from './common.ts';

const Name = Type.String({
  minLength: 1,
  maxLength: TEXT_CHARACTERS,
  pattern: NO_CONTROL,
  examples: ['Acme Inc.'],
});
const optional = {
  uid: maybe(uid('app', 'Your own id of the application; it can stand for the id in every path.')),
  throttleRate: maybe(ThrottleRate),
  rateLimit: maybe(RateLimit),
  metadata: maybe(Metadata),
};

export const ApplicationIn = Type.Object(
  { name: Name, ...optional },
  {
    title: 'ApplicationIn',
    examples: [{ name: 'Acme Inc.', uid: 'acme', throttleRate: 100, metadata: { plan: 'gold' } }],
  },
);

export const ApplicationPatch = Type.Object(
  { name: Type.Optional(Name), ...optional },
  {
    title: 'ApplicationPatch',
    description: 'What is left out stays; `null` clears.',
    examples: [{ name: 'Acme Corp.', throttleRate: null }],
  },
);

export const ApplicationOut = Type.Object(
  {
    id: Type.String({ examples: ['app_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    number: Type.Integer({ description: 'Addition of Posthorn: the company number of the Web Hooks API.' }),
    uid: Type.Optional(Type.String()),
    name: Type.String(),
    throttleRate: nullable(Type.Integer()),
    rateLimit: Type.Optional(Type.Integer()),
    metadata: recordOf(Type.String()),
    createdAt: Time,
    updatedAt: Time,
  },
  {
    title: 'ApplicationOut',
    examples: [
      {
        uid: 'acme',
        name: 'Acme Inc.',
        rateLimit: 100,
        throttleRate: 100,
        id: 'app_2nZK5wzbb7UWeTYsEaK6mSrEQhY',
        number: 2,
        createdAt: '2026-05-01T07:19:47.000Z',
        updatedAt: '2026-05-01T07:19:47.000Z',
        metadata: { plan: 'gold' },
      },
    ],
  },
);
