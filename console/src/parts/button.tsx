import { Button as BaseButton } from '@base-ui/react/button';
import { createLink, type LinkComponent } from '@tanstack/react-router';
import type { ComponentProps, ReactNode } from 'react';
import styles from './button.module.css';
import { Icon, type IconName } from './icon.tsx';

export interface ButtonLook {
  /** `primary` once a page at most; `danger` where something is lost. */
  look?: 'plain' | 'primary' | 'danger' | 'quiet';
  icon?: IconName;
  /** While it is under way: it cannot be pressed again, and keeps the focus. */
  busy?: boolean;
  children?: ReactNode;
}

type ButtonProps = ButtonLook & Omit<ComponentProps<typeof BaseButton>, 'className' | 'children' | 'style'>;

/** Verb and noun: `Add web hook`. */
export function Button({ look = 'plain', icon, busy = false, children, disabled, ...rest }: ButtonProps) {
  return (
    <BaseButton
      type="button"
      className={styles.button}
      data-look={look}
      disabled={disabled === true || busy}
      focusableWhenDisabled={busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </BaseButton>
  );
}

/** A button of an icon alone. `label` is its name, and stands beside the pointer. */
export function IconButton({
  label,
  icon,
  ...rest
}: { label: string; icon: IconName } & Omit<ButtonProps, 'children'>) {
  return <Button look="quiet" {...rest} icon={icon} aria-label={label} title={label} data-square="" />;
}

function Anchor({ look = 'plain', icon, children, busy: _busy, ...rest }: ButtonLook & ComponentProps<'a'>) {
  return (
    <a {...rest} className={styles.button} data-look={look}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

const Created = createLink(Anchor);

/** What leads to another page is a link, however it looks: it opens in a new tab, too. */
export const LinkButton: LinkComponent<typeof Anchor> = (props) => <Created {...props} />;
