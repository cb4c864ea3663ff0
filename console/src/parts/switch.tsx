import { Switch as BaseSwitch } from '@base-ui/react/switch';
import styles from './switch.module.css';

/** On or off, at once. */
export function Switch({
  label,
  on,
  busy = false,
  onChange,
}: {
  label: string;
  on: boolean;
  busy?: boolean;
  onChange(on: boolean): void;
}) {
  return (
    <BaseSwitch.Root
      className={styles.track}
      checked={on}
      disabled={busy}
      onCheckedChange={onChange}
      aria-label={label}
      title={label}
    >
      <BaseSwitch.Thumb className={styles.thumb} />
    </BaseSwitch.Root>
  );
}
