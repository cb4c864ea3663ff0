import Type from 'typebox';
import { OPEN_COUNTED } from '../../../limits.ts';
import { maybe, Time } from './common.ts';

const Instant = Type.String({ format: 'date-time', examples: ['2026-05-01T00:00:00.000Z'] });

export const RecoverIn = Type.Object(
  {
    since: Instant,
    until: maybe(Type.String({ format: 'date-time', description: 'Now, when left out or later than now.' })),
  },
  { title: 'RecoverIn', examples: [{ since: '2026-05-01T00:00:00.000Z' }] },
);

export const RecoverOut = Type.Object(
  {
    id: Type.String({ examples: ['qtask_2nZK5wzbb7UWeTYsEaK6mSrEQhY'] }),
    status: Type.Enum(['running', 'finished', 'failed']),
    task: Type.Enum(['endpoint.recover']),
    updatedAt: Time,
  },
  { title: 'RecoverOut' },
);

/** The protocol's `{}`. */
export const EmptyResponse = Type.Object({}, { title: 'EmptyResponse' });

export const EndpointStats = Type.Object(
  {
    success: Type.Integer({ description: 'Attempts of the range that succeeded.', examples: [1_204] }),
    pending: Type.Integer({
      description: `Deliveries that wait now; those that are held too. At most ${OPEN_COUNTED} of either are counted.`,
    }),
    sending: Type.Integer({
      description: `Deliveries that are under way now. At most ${OPEN_COUNTED} are counted.`,
    }),
    fail: Type.Integer({ description: 'Attempts of the range that failed.' }),
    canceled: Type.Integer({ description: 'Always 0: no attempt is ever cancelled.' }),
  },
  { title: 'EndpointStats' },
);
