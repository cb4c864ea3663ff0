import { EXPUNGE_DELIVERIES, PAYLOAD_KEPT_MS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Store } from '../store/store.ts';

export interface PayloadsOptions {
  store: Pick<Store, 'messageListExpired' | 'messageExpunge'>;
  clock: Clock;
  /** These were leased, and are cancelled. */
  dropped(deliveries: readonly { messageKey: number; endpointKey: number }[]): void;
}

/** Messages expunged by one transaction at the most: each may have megabytes of payload. */
const STEP_MESSAGES = 50;

/** Expunges payloads whose time is over, in steps, until none is left or `stopped` says so. Rejects as the store does. */
export async function expungeExpired(
  { store, clock, dropped }: PayloadsOptions,
  stopped: () => boolean,
): Promise<void> {
  while (!stopped()) {
    const now = clock.now();
    const messageKeys = await store.messageListExpired({
      now,
      keptSince: now - PAYLOAD_KEPT_MS,
      limit: STEP_MESSAGES,
    });
    if (messageKeys.length === 0) return;
    const { expunged, leased } = await store.messageExpunge({ messageKeys, scan: EXPUNGE_DELIVERIES });
    dropped(leased);
    if (expunged < STEP_MESSAGES && expunged === messageKeys.length) return;
    await new Promise<void>((resolve) => clock.soon(resolve));
  }
}
