import { Fragment } from 'react';
import { urlParts } from '../words/visible.ts';
import styles from './text.module.css';

/** A URL that somebody typed: text, never a link. The host is what tells one from another. */
export function UrlText({ url }: { url: string }) {
  const { scheme, host, path, ascii } = urlParts(url);
  return (
    <bdi className={styles.url}>
      {scheme === 'http' && <span className={styles.path}>http://</span>}
      <span className={styles.host}>{host}</span>
      {/* Broken where a reader would. */}
      <span className={styles.path}>
        {(path === '/' ? '' : path).split(/(?=[/?&])/).map((part, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text have nothing else.
          <Fragment key={index}>
            <wbr />
            {part}
          </Fragment>
        ))}
      </span>
      {ascii !== null && <span className={styles.ascii}>({ascii})</span>}
    </bdi>
  );
}
