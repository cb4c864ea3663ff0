import { type ReactNode, useEffect, useRef } from 'react';
import { useApplicationName } from '../frame/application.ts';
import styles from './page-header.module.css';

let isFirstPage = true;

/**
 * The one h1 of a page. It gets the focus when the page is come to, so that a screen reader begins there.
 * @param props.title in the tab of the browser, too; `shown` in its place on the page.
 */
export function PageHeader(props: {
  title: string;
  shown?: ReactNode;
  above?: ReactNode;
  below?: ReactNode;
  actions?: ReactNode;
}) {
  const { title, shown = title, above, below, actions } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  const name = useApplicationName();
  useEffect(() => {
    document.title = [title, name, 'Posthorn'].filter(Boolean).join(' - ');
  }, [title, name]);
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, []);
  return (
    <header className={styles.header}>
      <div className={styles.words}>
        {above && <div className={styles.above}>{above}</div>}
        <h1 ref={heading} tabIndex={-1}>
          {shown}
        </h1>
        {below && <div className={styles.below}>{below}</div>}
      </div>
      {actions && <div className={styles.actions}>{actions}</div>}
    </header>
  );
}
