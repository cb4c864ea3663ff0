import { Icon, type IconName } from './icon.tsx';
import styles from './state-badge.module.css';

/** Shape, word and colour of each state: no two share more than one of them. */
const STATES = {
  succeeded: { icon: 'check', word: 'Succeeded', tone: 'succeeded' },
  failed: { icon: 'cross', word: 'Failed', tone: 'failed' },
  pending: { icon: 'clock', word: 'Pending', tone: 'pending' },
  held: { icon: 'bars', word: 'Held', tone: 'held' },
  sending: { icon: 'arrow', word: 'Sending', tone: 'sending' },
  cancelled: { icon: 'slash', word: 'Cancelled', tone: 'cancelled' },
  // Of a web hook.
  healthy: { icon: 'check', word: 'Healthy', tone: 'succeeded' },
  failing: { icon: 'cross', word: 'Failing', tone: 'failed' },
  breaker_open: { icon: 'warning', word: 'Spared', tone: 'failed' },
  paused: { icon: 'bars', word: 'Paused', tone: 'held' },
  disabled: { icon: 'slash', word: 'Disabled', tone: 'cancelled' },
} as const satisfies Record<string, { icon: IconName; word: string; tone: string }>;
export type State = keyof typeof STATES;

export function StateBadge({ state }: { state: State }) {
  const { icon, word, tone } = STATES[state];
  return (
    <span className={styles.badge} data-tone={tone}>
      <Icon name={icon} size={14} />
      {word}
    </span>
  );
}

export function stateWord(state: State): string {
  return STATES[state].word;
}
