import { Menu as BaseMenu } from '@base-ui/react/menu';
import type { ReactElement, ReactNode } from 'react';
import { Icon, type IconName } from './icon.tsx';
import styles from './menu.module.css';

/** What else can be done: behind a button of its own. */
export function Menu({ trigger, children }: { trigger: ReactElement; children: ReactNode }) {
  return (
    <BaseMenu.Root>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal>
        <BaseMenu.Positioner sideOffset={4} align="end" className={styles.positioner}>
          <BaseMenu.Popup className={styles.popup}>{children}</BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}

export function MenuItem({
  icon,
  danger = false,
  onClick,
  children,
}: {
  icon?: IconName;
  danger?: boolean;
  onClick(): void;
  children: ReactNode;
}) {
  return (
    <BaseMenu.Item className={styles.item} data-danger={danger || undefined} onClick={onClick}>
      {icon && <Icon name={icon} />}
      {children}
    </BaseMenu.Item>
  );
}

/** One of several; `value` is the chosen one. */
export function MenuChoice<Value extends string>(props: {
  label: string;
  value: Value;
  choices: readonly { value: Value; word: string; icon: IconName }[];
  onChange(value: Value): void;
}) {
  const { label, value, choices, onChange } = props;
  return (
    <BaseMenu.Group>
      <BaseMenu.GroupLabel className={styles.label}>{label}</BaseMenu.GroupLabel>
      <BaseMenu.RadioGroup value={value} onValueChange={onChange}>
        {choices.map((each) => (
          <BaseMenu.RadioItem key={each.value} value={each.value} className={styles.item} closeOnClick>
            <Icon name={each.icon} />
            <span className={styles.word}>{each.word}</span>
            <BaseMenu.RadioItemIndicator>
              <Icon name="check" />
            </BaseMenu.RadioItemIndicator>
          </BaseMenu.RadioItem>
        ))}
      </BaseMenu.RadioGroup>
    </BaseMenu.Group>
  );
}

export function MenuNote({ children }: { children: ReactNode }) {
  return <div className={styles.note}>{children}</div>;
}

export function MenuLine() {
  return <BaseMenu.Separator className={styles.line} />;
}
