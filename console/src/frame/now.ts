import { storeOf, useStore } from './store.ts';

/** The time as the page shows it, a step a second; it stands still while nobody looks. */
const now = storeOf(Date.now());

setInterval(() => {
  if (document.visibilityState === 'visible') now.set(Date.now());
}, 1_000);

export function useNow(): number {
  return useStore(now);
}
