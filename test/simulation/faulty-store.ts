import type { Clock, Random } from '../../src/model/clock.ts';
import { type Store, StoreError } from '../../src/store/store.ts';

const SLOW: readonly string[] = [
  'messageAccept',
  'messageExpunge',
  'messageListExpired',
  'deliveryClaimDue',
  'deliveryUnlease',
  'deliveryRecord',
  'deliveryWithdraw',
  'endpointFindByKey',
  'endpointUpdate',
  'resendInsert',
  'deliveryCancel',
  'deliveryHurry',
  'deliveryExpire',
  'taskInsert',
  'taskStep',
  'taskCancel',
  'announcementList',
  'announcementDelete',
];

export interface FaultyStoreOptions {
  clock: Clock;
  random: Random;
  faulty: () => boolean;
  /** Share of the calls that are refused. */
  refused: number;
}

/**
 * The store as a bad day has it: calls that change deliveries take up to 30 ms to answer after they were done, and now and then
 * one is refused undone. A process that dies meanwhile never hears the answer.
 */
export function faultyStore(store: Store, { clock, random, faulty, refused }: FaultyStoreOptions): Store {
  return new Proxy(store, {
    get(target, name: keyof Store & string) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (params: never) => Promise<unknown>;
      if (!SLOW.includes(name)) return call;
      return async (params: never) => {
        if (faulty() && random.fraction() < refused) throw new StoreError('unavailable', 'Not now.');
        const result = await call(params);
        const delayMs = Math.floor(random.fraction() * 30);
        await new Promise<void>((resolve) => void clock.timer(delayMs, resolve));
        return result;
      };
    },
  });
}
