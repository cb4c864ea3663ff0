import Type from 'typebox';
import { type DeliveryReason, type DeliveryState, deliveryReasons } from '../../../model/delivery.ts';
import { nullable, Time } from './common.ts';

export const Status = Type.Enum([0, 1, 2, 3, 4], {
  description: '0 success, 1 pending, 2 fail, 3 sending, 4 canceled.',
});
export const StatusText = Type.Enum(['success', 'pending', 'fail', 'sending', 'canceled']);

/** How a delivery is, in the words of the protocol. */
export const StatusFields = { status: Status, statusText: StatusText, nextAttempt: nullable(Time) };

export const STATES = [
  'pending',
  'sending',
  'succeeded',
  'failed',
  'held',
  'cancelled',
] as const satisfies DeliveryState[];
export const REASONS = Object.keys(deliveryReasons) as DeliveryReason[];
const meanings = Object.entries(deliveryReasons).map(([reason, text]) => `\`${reason}\`: ${text}`);

/** How it is in the words of Posthorn. */
export const deliveryFields = {
  state: Type.Enum(STATES, { description: 'Addition of Posthorn: the state of the delivery.' }),
  reason: nullable(
    Type.Enum(REASONS, {
      description: `Addition of Posthorn: why it is held, failed or cancelled.\n\n${meanings.join('\n\n')}`,
      examples: ['retries_exhausted'],
    }),
  ),
  attemptCount: Type.Integer({
    description:
      'Addition of Posthorn: attempts of its schedule so far. A recovery, a replay or a release begins anew.',
  }),
};

export const DeliveryOut = Type.Object({ ...StatusFields, ...deliveryFields }, { title: 'DeliveryOut' });
