import { useState } from 'react';
import { IconButton } from '../parts/button.tsx';
import { ConfirmDialog } from '../parts/confirm-dialog.tsx';
import { Menu, MenuChoice, MenuItem, MenuLine, MenuNote } from '../parts/menu.tsx';
import { localTime } from '../words/times.ts';
import { visible } from '../words/visible.ts';
import { useNow } from './now.ts';
import { signOut, useSession } from './session.ts';
import { showShortcuts } from './shortcuts.tsx';
import { chooseTheme, useTheme } from './theme.ts';
import { toastProblem } from './toasts.tsx';

const THEME_CHOICES = [
  { value: 'system', word: 'As the system', icon: 'system' },
  { value: 'light', word: 'Light', icon: 'sun' },
  { value: 'dark', word: 'Dark', icon: 'moon' },
] as const;

export function AccountMenu() {
  const { role, application, keyName, expiresAt } = useSession();
  const theme = useTheme();
  const now = useNow();
  const [asking, setAsking] = useState(false);
  const leave = (everywhere: boolean) =>
    void signOut(everywhere).catch((error: unknown) => toastProblem('Not signed out', error));
  return (
    <>
      <Menu trigger={<IconButton label="Account" icon="person" />}>
        <MenuNote>
          {role === 'operator' ? 'Operator' : visible(application?.name ?? '')}
          <br />
          Signed in with “{visible(keyName)}” until {localTime(Date.parse(expiresAt), now)}
        </MenuNote>
        <MenuLine />
        <MenuChoice label="Theme" value={theme} choices={THEME_CHOICES} onChange={chooseTheme} />
        <MenuLine />
        <MenuItem icon="keyboard" onClick={showShortcuts}>
          Keys
        </MenuItem>
        <MenuLine />
        <MenuItem onClick={() => leave(false)}>Sign out</MenuItem>
        <MenuItem onClick={() => setAsking(true)}>Sign out everywhere…</MenuItem>
      </Menu>
      <ConfirmDialog
        open={asking}
        title="Sign out everywhere?"
        confirm="Sign out everywhere"
        onCancel={() => setAsking(false)}
        onConfirm={() => leave(true)}
      >
        {role === 'operator' ? (
          <p>
            Every browser that signed in with the key “{visible(keyName)}” is signed out within seconds, this
            one too. The key itself stays good.
          </p>
        ) : (
          <p>
            Every browser of {visible(application?.name ?? '')} is signed out within seconds, this one too,
            and links that nobody has followed yet stop working.
          </p>
        )}
      </ConfirmDialog>
    </>
  );
}
