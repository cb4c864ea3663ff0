import { shortId } from '../words/visible.ts';
import { CopyButton } from './copy-button.tsx';
import styles from './text.module.css';

/** An id: shortened in the middle, copied whole. */
export function IdText({ id, what = 'id' }: { id: string; what?: string }) {
  return (
    <span className={styles.id}>
      <code title={id}>{shortId(id)}</code>
      <CopyButton what={`Copy ${what}`} text={id} />
    </span>
  );
}
