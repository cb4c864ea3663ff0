import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Hook, HookFigures } from '../../api/client.ts';
import { useMay, useWords } from '../../frame/session.ts';
import { toast, toastProblem } from '../../frame/toasts.tsx';
import { IconButton } from '../../parts/button.tsx';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { Menu, MenuItem, MenuLine } from '../../parts/menu.tsx';
import { Switch } from '../../parts/switch.tsx';
import { counted } from '../../words/dictionary.ts';
import { urlParts } from '../../words/visible.ts';
import { deleteLater, deleteNow } from './deletion.ts';
import { usePatchHook } from './hooks.ts';

interface About {
  app: string;
  hook: Hook;
  figures: HookFigures | undefined;
}

/** Enabled or disabled. */
export function HookSwitch({ app, hook }: Omit<About, 'figures'>) {
  const { Hook } = useWords();
  const patch = usePatchHook(app, hook.id);
  const { host } = urlParts(hook.url);
  const change = (on: boolean) =>
    patch.mutate(
      { disabled: !on },
      {
        onSuccess: () => toast(`${Hook} ${on ? 'enabled' : 'disabled'}`, { tone: 'good' }),
        onError: (error) => toastProblem(`${Hook} not ${on ? 'enabled' : 'disabled'}`, error),
      },
    );
  return <Switch label={`Enabled: ${host}`} on={!hook.disabled} busy={patch.isPending} onChange={change} />;
}

/** Pauses a hook, or ends its pause. */
function usePause(app: string, hook: Hook): () => void {
  const { Hook: name } = useWords();
  const patch = usePatchHook(app, hook.id);
  const done = hook.paused ? 'resumed' : 'paused';
  const detail = hook.paused
    ? 'What was held goes out now.'
    : 'What comes is held, and goes out when you resume it.';
  return () =>
    patch.mutate(
      { paused: !hook.paused },
      {
        onSuccess: () => toast(`${name} ${done}`, { tone: 'good', detail }),
        onError: (error) => toastProblem(`${name} not ${done}`, error),
      },
    );
}

/** What else can be done with a hook. Nothing, for who may only read. */
export function HookMenu({ app, hook, figures, onDeleted }: About & { onDeleted?: () => void }) {
  const words = useWords();
  const navigate = useNavigate();
  const pause = usePause(app, hook);
  const [asking, setAsking] = useState(false);
  if (!useMay()('ManageEndpoint')) return null;
  const { host } = urlParts(hook.url);
  const waits = (figures?.pending ?? 0) + (figures?.sending ?? 0) + (figures?.held ?? 0);
  const remove = () => {
    // Without the numbers nobody knows what would be lost.
    if (figures === undefined || waits > 0) {
      setAsking(true);
      return;
    }
    deleteLater({ app, hook: hook.id, what: words.Hook });
    onDeleted?.();
  };
  const removeNow = () => {
    setAsking(false);
    onDeleted?.();
    deleteNow(app, hook.id).then(
      () => toast(`${words.Hook} deleted`),
      (error: unknown) => toastProblem(`${words.Hook} not deleted`, error),
    );
  };
  return (
    <>
      <Menu trigger={<IconButton label={`More for ${host}`} icon="more" />}>
        <MenuItem
          onClick={() =>
            void navigate({ to: '/app/$app/hooks/$hook/settings', params: { app, hook: hook.id } })
          }
        >
          Edit
        </MenuItem>
        {!hook.disabled && <MenuItem onClick={pause}>{hook.paused ? 'Resume' : 'Pause'}</MenuItem>}
        <MenuLine />
        <MenuItem danger onClick={remove}>
          Delete
        </MenuItem>
      </Menu>
      <ConfirmDialog
        open={asking}
        title={`Delete this ${words.hook}?`}
        confirm={`Delete ${words.hook}`}
        onCancel={() => setAsking(false)}
        onConfirm={removeNow}
      >
        <p>
          {figures === undefined
            ? `What waits for ${host} is cancelled.`
            : `${counted(waits, 'delivery', 'deliveries')} ${waits === 1 ? 'waits' : 'wait'} for ${host}, of which ${figures.held.toLocaleString()} held. ${waits === 1 ? 'It is' : 'They are'} cancelled, and cannot be brought back.`}
        </p>
      </ConfirmDialog>
    </>
  );
}
