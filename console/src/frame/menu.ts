import type { LinkProps } from '@tanstack/react-router';
import type { Session } from '../api/client.ts';
import type { IconName } from '../parts/icon.tsx';
import type { Words } from '../words/dictionary.ts';

export interface MenuEntry {
  readonly to: NonNullable<LinkProps['to']>;
  readonly word: (words: Words) => string;
  readonly icon: IconName;
  /** The key after `g`. */
  readonly key: string;
  /** Below an application: its address has `$app`. */
  readonly ofApplication: boolean;
  readonly roles: readonly Session['role'][];
}

/** What the rail shows, and the bar on phones, in this order. A page that does not exist yet is not here. */
export const MENU: readonly MenuEntry[] = [
  {
    to: '/app/$app/hooks',
    word: ({ Hooks }) => Hooks,
    icon: 'hook',
    key: 'h',
    ofApplication: true,
    roles: ['company', 'operator'],
  },
];
