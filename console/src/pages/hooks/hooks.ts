import { keepPreviousData, queryOptions, useMutation } from '@tanstack/react-query';
import { api, type Hook, type HookFigures, type HookPatch, ok, own } from '../../api/client.ts';
import { queries } from '../../frame/session.ts';
import type { State } from '../../parts/state-badge.tsx';

/** What the list asks for at once, and then again for more. */
const PAGE_ROWS = 50;
/** Until changes come by themselves. */
const LOOK_MS = 10_000;

export function hooksQuery(app: string, iterator: string | null) {
  return queryOptions({
    queryKey: ['app', app, 'hooks', iterator],
    queryFn: () =>
      ok(
        api.GET('/api/v1/app/{app_id}/endpoint', {
          params: {
            path: { app_id: app },
            query: { limit: PAGE_ROWS, order: 'ascending', ...(iterator !== null && { iterator }) },
          },
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: LOOK_MS,
  });
}

export function hookQuery(app: string, hook: string) {
  return queryOptions({
    queryKey: ['app', app, 'hook', hook],
    queryFn: (): Promise<Hook> =>
      ok(
        api.GET('/api/v1/app/{app_id}/endpoint/{endpoint_id}', {
          params: { path: { app_id: app, endpoint_id: hook } },
        }),
      ),
    refetchInterval: LOOK_MS,
  });
}

/** How hooks do: of one, or of all on a page of the list. */
export function figuresQuery(app: string, ids: readonly string[]) {
  const query = new URLSearchParams(ids.map((id) => ['endpoint', id])).toString();
  return queryOptions({
    queryKey: ['app', app, 'figures', query],
    queryFn: async () =>
      (await own<{ data: HookFigures[] }>('GET', `/figures/${encodeURIComponent(app)}?${query}`)).data,
    enabled: ids.length > 0,
    placeholderData: keepPreviousData,
    refetchInterval: LOOK_MS,
  });
}

/** What is known before the figures are there. */
export function stateOf(hook: Hook, figures: HookFigures | undefined): State {
  if (hook.disabled) return 'disabled';
  if (hook.paused) return 'paused';
  return figures?.state ?? 'healthy';
}

export function forgetHooks(app: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: ['app', app] });
}

export function usePatchHook(app: string, hook: string) {
  return useMutation({
    mutationFn: (patch: HookPatch) =>
      ok(
        api.PATCH('/api/v1/app/{app_id}/endpoint/{endpoint_id}', {
          params: { path: { app_id: app, endpoint_id: hook } },
          body: patch,
        }),
      ),
    onSuccess: () => forgetHooks(app),
  });
}
