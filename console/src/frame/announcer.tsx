import { storeOf, useStore } from './store.ts';

const said = storeOf('');

/** Tells screen readers what changed without moving anything. Not for what a toast says: that is told by itself. */
export function announce(text: string): void {
  said.set(text);
}

export function Announcer() {
  return (
    <div role="status" aria-live="polite" className="unseen">
      {useStore(said)}
    </div>
  );
}
