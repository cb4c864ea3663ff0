import { EXPUNGE_DELIVERIES, PAYLOAD_KEPT_MS } from '../limits.ts';
import type { Clock } from '../model/clock.ts';
import type { Stopped, Store } from '../store/store.ts';

export interface PayloadsOptions {
  store: Pick<Store, 'messageListExpired' | 'messageExpunge'>;
  clock: Clock;
  /** What was stopped or set free. */
  follow(stopped: Stopped): void;
}

/** Messages expunged by one transaction at the most: each may have megabytes of payload. */
const STEP_MESSAGES = 50;

/** Expunges payloads whose time is over, in steps, until none is left or `stopped` says so. Rejects as the store does. */
export async function expungeExpired(
  { store, clock, follow }: PayloadsOptions,
  stopped: () => boolean,
): Promise<void> {
  while (!stopped()) {
    const now = clock.now();
    const messages = await store.messageListExpired({
      now,
      keptSince: now - PAYLOAD_KEPT_MS,
      limit: STEP_MESSAGES,
    });
    if (messages.length === 0) return;
    const { expunged, ...stopped } = await store.messageExpunge({
      messages,
      now,
      scan: EXPUNGE_DELIVERIES,
    });
    follow(stopped);
    if (expunged < STEP_MESSAGES && expunged === messages.length) return;
    await new Promise<void>((resolve) => clock.soon(resolve));
  }
}
