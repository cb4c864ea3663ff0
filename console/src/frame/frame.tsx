import { useQuery } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';
import { HOME } from '../home.ts';
import { Icon } from '../parts/icon.tsx';
import { Banner } from '../parts/notices.tsx';
import { TimeText } from '../parts/time-text.tsx';
import { visible } from '../words/visible.ts';
import { AccountMenu } from './account-menu.tsx';
import { applicationQuery, useApplicationRef } from './application.ts';
import { ApplicationSwitcher } from './application-switcher.tsx';
import styles from './frame.module.css';
import { useNow } from './now.ts';
import { Rail } from './rail.tsx';
import { ignored } from './search.ts';
import { isReadOnly, sessionQuery, useSession } from './session.ts';
import { Shortcuts } from './shortcuts.tsx';
import { useStore } from './store.ts';
import { toast } from './toasts.tsx';

/** How long before its end somebody is told that the session ends. */
const WARN_MS = 10 * 60_000;

/** What is around every page of who is signed in. */
export function Frame() {
  const { data: session } = useQuery(sessionQuery);
  const unknown = useStore(ignored);
  useEffect(() => {
    if (unknown.length === 0) return;
    const names = unknown.map((each) => visible(each).slice(0, 40)).join(', ');
    toast('Part of the address was ignored', { detail: `Unknown here: ${names}.` });
  }, [unknown]);
  // The guard of the route shows the sign-in page in a moment.
  if (!session) return null;
  return (
    <div className={styles.frame}>
      <a href="#main" className={styles.skip}>
        Skip to the page
      </a>
      <Header />
      <Rail />
      <main id="main" className={styles.main} tabIndex={-1}>
        <EndWarning />
        <Outlet />
      </main>
      <Shortcuts />
    </div>
  );
}

function Header() {
  const session = useSession();
  return (
    <header className={styles.header}>
      <Link to="/" className={styles.brand} aria-label="Posthorn, start">
        <img src={`${HOME}/assets/icon.svg`} width={24} height={24} alt="" />
        <span>Posthorn</span>
      </Link>
      <div className={styles.place}>
        {session.role === 'operator' ? <ApplicationSwitcher /> : <CompanyName />}
      </div>
      {isReadOnly(session) && (
        <span className={styles.readOnly}>
          <Icon name="eye" size={14} />
          Read only
        </span>
      )}
      <AccountMenu />
    </header>
  );
}

function CompanyName() {
  const app = useApplicationRef();
  const { application } = useSession();
  const { data } = useQuery({ ...applicationQuery(app ?? ''), enabled: app !== null });
  return <span className={styles.company}>{visible(data?.name ?? application?.name ?? '')}</span>;
}

function EndWarning() {
  const now = useNow();
  const { expiresAt, role } = useSession();
  if (Date.parse(expiresAt) - now > WARN_MS) return null;
  return (
    <div className={styles.warning}>
      <Banner tone="held">
        You will be signed out at <TimeText at={expiresAt} />.{' '}
        {role === 'company'
          ? 'Open this page from your help desk again to go on.'
          : 'Sign in again to go on.'}
      </Banner>
    </div>
  );
}
