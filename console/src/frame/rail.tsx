import { Link, useNavigate } from '@tanstack/react-router';
import { Icon } from '../parts/icon.tsx';
import { useApplicationRef } from './application.ts';
import styles from './frame.module.css';
import { MENU, type MenuEntry } from './menu.ts';
import { useSession, useWords } from './session.ts';
import { useShortcut } from './shortcuts.tsx';

/** The menu: a rail on the left, a bar at the bottom on phones. */
export function Rail() {
  const { role } = useSession();
  const app = useApplicationRef();
  const entries = MENU.filter(
    ({ roles, ofApplication }) => roles.includes(role) && (!ofApplication || app !== null),
  );
  return (
    <nav className={styles.rail} aria-label="Main">
      <ul>
        {entries.map((entry) => (
          <li key={entry.to}>
            <Entry entry={entry} />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Entry({ entry }: { entry: MenuEntry }) {
  const words = useWords();
  const navigate = useNavigate();
  const app = useApplicationRef();
  const word = entry.word(words);
  const params = entry.ofApplication && app !== null ? { app } : {};
  useShortcut(`g ${entry.key}`, `Go to ${word}`, () => void navigate({ to: entry.to, params }));
  return (
    <Link to={entry.to} params={params} className={styles.entry} title={word}>
      <Icon name={entry.icon} size={18} />
      <span>{word}</span>
    </Link>
  );
}
