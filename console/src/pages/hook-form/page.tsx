import { queryOptions, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { api, ok } from '../../api/client.ts';
import { useMay, useWords } from '../../frame/session.ts';
import { toast } from '../../frame/toasts.tsx';
import { Icon } from '../../parts/icon.tsx';
import { NotLoaded, NotThere, Skeleton } from '../../parts/notices.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { forgetHooks, hookQuery } from '../hooks/hooks.ts';
import { type Draft, draftOf, fieldsOf, headerChangesOf, NEW_DRAFT, newHookOf } from './draft.ts';
import { HookForm } from './form.tsx';

export function NewHookPage() {
  const { app } = useParams({ from: '/signed-in/app/$app/hooks/new' });
  const words = useWords();
  const navigate = useNavigate();
  if (!useMay()('ManageEndpoint')) return <NotThere />;
  const save = async (draft: Draft) => {
    const path = { app_id: app };
    const made = await ok(
      api.POST('/api/v1/app/{app_id}/endpoint', { params: { path }, body: newHookOf(draft) }),
    );
    await forgetHooks(app);
    toast(`${words.Hook} added`, { tone: 'good' });
    await navigate({
      to: '/app/$app/hooks/$hook/overview',
      params: { app, hook: made.id },
      ignoreBlocker: true,
    });
  };
  return (
    <>
      <PageHeader
        title={`Add ${words.hook}`}
        above={
          <Link to="/app/$app/hooks" params={{ app }}>
            <Icon name="back" />
            {words.Hooks}
          </Link>
        }
      />
      <HookForm
        initial={NEW_DRAFT}
        save={`Add ${words.hook}`}
        onSave={save}
        onCancel={() => void navigate({ to: '/app/$app/hooks', params: { app } })}
      />
    </>
  );
}

function headersQuery(app: string, hook: string) {
  const path = { app_id: app, endpoint_id: hook };
  return queryOptions({
    queryKey: ['app', app, 'headers', hook],
    queryFn: () => ok(api.GET('/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers', { params: { path } })),
  });
}

/** The tab of a hook's page. */
export function HookSettings() {
  const { app, hook: id } = useParams({ from: '/signed-in/app/$app/hooks/$hook/settings' });
  const words = useWords();
  const navigate = useNavigate();
  const hook = useQuery(hookQuery(app, id));
  const headers = useQuery(headersQuery(app, id));
  if (!useMay()('ManageEndpoint')) return <NotThere />;
  if (headers.isError)
    return <NotLoaded what="the settings" error={headers.error} onRetry={() => void headers.refetch()} />;
  if (!hook.data || !headers.data) return <Skeleton what="the settings" rows={6} />;
  const stored = headers.data;
  const leave = () =>
    navigate({ to: '/app/$app/hooks/$hook/overview', params: { app, hook: id }, ignoreBlocker: true });
  const save = async (draft: Draft) => {
    const path = { app_id: app, endpoint_id: id };
    const changes = headerChangesOf(draft, stored);
    // The settings first: when they are refused, nothing has changed.
    await ok(
      api.PATCH('/api/v1/app/{app_id}/endpoint/{endpoint_id}', { params: { path }, body: fieldsOf(draft) }),
    );
    if (changes !== null) {
      await ok(
        api.PATCH('/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers', { params: { path }, body: changes }),
      );
    }
    await forgetHooks(app);
    toast(`${words.Hook} changed`, { tone: 'good' });
    await leave();
  };
  return (
    <>
      <h2 className="unseen">Settings</h2>
      {/* What changes elsewhere meanwhile does not change what is being written: the form begins with what it found. */}
      <HookForm
        key={hook.data.id}
        initial={draftOf(hook.data, stored)}
        save="Save changes"
        onSave={save}
        onCancel={() => void leave()}
      />
    </>
  );
}
