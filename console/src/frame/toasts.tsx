import { Toast } from '@base-ui/react/toast';
import { Problem } from '../api/problem.ts';
import { Icon } from '../parts/icon.tsx';
import styles from './toasts.module.css';

const manager = Toast.createToastManager();

interface ToastOptions {
  tone?: 'plain' | 'good' | 'bad';
  detail?: string;
  /** ms; 0: until it is closed. */
  lastsMs?: number;
  action?: { label: string; run(): void };
  onClose?(): void;
}

/** Says what became of something, in the past tense. Returns its id. */
export function toast(title: string, options: ToastOptions = {}): string {
  const { tone = 'plain', detail, lastsMs = 5_000, action, onClose } = options;
  const id: string = manager.add({
    title,
    type: tone,
    description: detail,
    timeout: lastsMs,
    priority: tone === 'bad' ? 'high' : 'low',
    ...(onClose && { onClose }),
    ...(action && {
      actionProps: {
        children: action.label,
        onClick: () => {
          action.run();
          manager.close(id);
        },
      },
    }),
  });
  return id;
}

/** For what a person asked for and did not get. */
export function toastProblem(what: string, error: unknown): void {
  const detail =
    error instanceof Problem
      ? error.message
      : 'Something went wrong in this page. Reload it, then try again.';
  toast(what, { tone: 'bad', detail, lastsMs: 10_000 });
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager} limit={4}>
      <Toast.Portal>
        <Toast.Viewport className={styles.viewport}>
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function List() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((each) => (
    <Toast.Root key={each.id} toast={each} className={styles.toast} data-tone={each.type}>
      <Toast.Content className={styles.content}>
        <div className={styles.text}>
          <Toast.Title className={styles.title} />
          <Toast.Description className={styles.detail} />
        </div>
        {each.actionProps && <Toast.Action className={styles.action} />}
        <Toast.Close className={styles.close} aria-label="Close">
          <Icon name="cross" />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ));
}
