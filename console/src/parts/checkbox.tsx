import { Checkbox as BaseCheckbox } from '@base-ui/react/checkbox';
import type { ReactNode } from 'react';
import styles from './checkbox.module.css';
import { Icon } from './icon.tsx';

export function Checkbox(props: {
  checked: boolean;
  some?: boolean;
  onChange(checked: boolean): void;
  children: ReactNode;
}) {
  const { checked, some = false, onChange, children } = props;
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is within it.
    <label className={styles.label}>
      <BaseCheckbox.Root
        className={styles.box}
        checked={checked}
        indeterminate={some}
        onCheckedChange={onChange}
      >
        <BaseCheckbox.Indicator className={styles.mark}>
          {some ? <span className={styles.dash} /> : <Icon name="check" size={14} />}
        </BaseCheckbox.Indicator>
      </BaseCheckbox.Root>
      <span className={styles.text}>{children}</span>
    </label>
  );
}
