import { useNow } from '../frame/now.ts';
import { localTime, relativeTime, utcTime } from '../words/times.ts';
import { Hint } from './hint.tsx';
import styles from './text.module.css';

/**
 * A time in the reader's zone, or how long ago; the exact one in UTC beside the pointer, and when it has the focus.
 * @param props.as `relative` moves on by itself, and is not read out while it does.
 */
export function TimeText({ at, as = 'local' }: { at: string; as?: 'local' | 'relative' }) {
  const now = useNow();
  const ms = Date.parse(at);
  return (
    <Hint text={as === 'relative' ? `${localTime(ms, now)} (${utcTime(ms)})` : utcTime(ms)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no pointer reads the exact time by focus. */}
      <time dateTime={at} tabIndex={0} className={styles.time}>
        {as === 'relative' ? relativeTime(ms, now) : localTime(ms, now)}
      </time>
    </Hint>
  );
}
