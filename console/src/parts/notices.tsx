import { type ReactNode, useEffect, useState } from 'react';
import { Problem } from '../api/problem.ts';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';
import styles from './notices.module.css';

/** What stands where something would be: nothing yet, nothing found, not loaded, not there. */

/** One sentence on what will appear, and one thing to do. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={styles.empty}>
      <h2>{title}</h2>
      {children && <p className="muted">{children}</p>}
      {action && <div className={styles.actions}>{action}</div>}
    </div>
  );
}

/** Names the filters that leave nothing. */
export function NothingFound({ filters, onClear }: { filters: string; onClear(): void }) {
  return (
    <div className={styles.empty}>
      <h2>Nothing matches {filters}</h2>
      <div className={styles.actions}>
        <Button onClick={onClear}>Clear filters</Button>
      </div>
    </div>
  );
}

/** `what` could not be loaded: why, and a way to try again. The rest of the page goes on. */
export function NotLoaded({ what, error, onRetry }: { what: string; error: unknown; onRetry?: () => void }) {
  if (error instanceof Problem && error.isHidden) return <NotThere />;
  const detail = error instanceof Problem ? error.message : 'Something went wrong in this page.';
  return (
    <div role="alert" className={styles.problem}>
      <Icon name="warning" />
      <div>
        <p className={styles.lead}>Couldn't load {what}.</p>
        <p>{detail}</p>
        {onRetry && (
          <div className={styles.actions}>
            <Button onClick={onRetry}>Try again</Button>
          </div>
        )}
      </div>
    </div>
  );
}

/** The same for what is not there and for what is somebody else's: nobody learns which. */
export function NotThere() {
  return (
    <div className={styles.empty}>
      <h2>There is nothing here</h2>
      <p className="muted">It was deleted, the address is not right, or it is not yours to see.</p>
      <div className={styles.actions}>
        <Button onClick={() => history.back()} icon="back">
          Go back
        </Button>
      </div>
    </div>
  );
}

const SKELETON_AFTER_MS = 150;

/** The shape of what is coming, once it takes long enough to be noticed. */
export function Skeleton({ rows = 4, what }: { rows?: number; what: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SKELETON_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  const bars = Array.from({ length: rows }, (_, index) => `bar ${index}`);
  return (
    <div className={styles.skeleton} role="status">
      <span className="unseen">Loading {what}</span>
      {bars.map((each) => (
        <span key={each} className={styles.bar} />
      ))}
    </div>
  );
}

/** At most one on a page: what is the matter, and what to do about it. */
export function Banner({
  tone,
  children,
  action,
}: {
  tone: 'failed' | 'held' | 'pending';
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={styles.banner} data-tone={tone}>
      <Icon name={tone === 'failed' ? 'warning' : tone === 'held' ? 'bars' : 'clock'} />
      <div className={styles.bannerText}>{children}</div>
      {action && <div className={styles.bannerActions}>{action}</div>}
    </div>
  );
}
