import { urlParts } from '../words/visible.ts';
import styles from './text.module.css';

/** A URL that somebody typed: text, never a link. The host is what tells one from another. */
export function UrlText({ url }: { url: string }) {
  const { scheme, host, path, ascii } = urlParts(url);
  return (
    <bdi className={styles.url}>
      {scheme === 'http' && <span className={styles.path}>http://</span>}
      <span className={styles.host}>{host}</span>
      <span className={styles.path}>{path === '/' ? '' : path}</span>
      {ascii !== null && <span className={styles.ascii}>({ascii})</span>}
    </bdi>
  );
}
