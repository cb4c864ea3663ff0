import { api, ok } from '../../api/client.ts';
import { storeOf } from '../../frame/store.ts';
import { toast, toastProblem } from '../../frame/toasts.tsx';
import { HOME } from '../../home.ts';
import { forgetHooks } from './hooks.ts';

/** How long a deletion can be taken back. Only then is it sent. */
const UNDO_MS = 10_000;

interface Waiting {
  readonly app: string;
  readonly timer: ReturnType<typeof setTimeout>;
}

const waiting = new Map<string, Waiting>();
/** Hooks that are not shown, as they are about to be deleted. */
export const hidden = storeOf<ReadonlySet<string>>(new Set());

/** Hides a hook at once, and deletes it when nobody takes that back. */
export function deleteLater(params: { app: string; hook: string; what: string }): void {
  const { app, hook, what } = params;
  const timer = setTimeout(() => {
    waiting.delete(hook);
    void deleteNow(app, hook).catch((error: unknown) => toastProblem(`${what} not deleted`, error));
  }, UNDO_MS);
  waiting.set(hook, { app, timer });
  hidden.set(new Set([...hidden.get(), hook]));
  toast(`${what} deleted`, {
    lastsMs: UNDO_MS,
    action: {
      label: 'Undo',
      run: () => {
        clearTimeout(timer);
        waiting.delete(hook);
        show(hook);
      },
    },
  });
}

export async function deleteNow(app: string, hook: string): Promise<void> {
  try {
    await ok(
      api.DELETE('/api/v1/app/{app_id}/endpoint/{endpoint_id}', {
        params: { path: { app_id: app, endpoint_id: hook } },
      }),
    );
    await forgetHooks(app);
  } finally {
    show(hook);
  }
}

function show(hook: string): void {
  hidden.set(new Set([...hidden.get()].filter((each) => each !== hook)));
}

// Who leaves the page does not take it back.
addEventListener('pagehide', () => {
  for (const [hook, { app, timer }] of waiting) {
    clearTimeout(timer);
    void fetch(`${HOME}/api/v1/app/${encodeURIComponent(app)}/endpoint/${hook}`, {
      method: 'DELETE',
      headers: { 'x-posthorn-console': '1' },
      keepalive: true,
    });
  }
  waiting.clear();
});
