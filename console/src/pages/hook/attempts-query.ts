import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ok } from '../../api/client.ts';

const LOOK_MS = 10_000;
const STATUS_CLASSES = { none: 0, '2xx': 200, '3xx': 300, '4xx': 400, '5xx': 500 } as const;

export interface AttemptFilter {
  readonly outcome?: 'succeeded' | 'failed';
  readonly status?: keyof typeof STATUS_CLASSES;
  readonly type?: string;
}

export function attemptsQuery(params: {
  app: string;
  hook: string;
  iterator: string | null;
  limit: number;
  filter?: AttemptFilter;
}) {
  const { app, hook, iterator, limit, filter = {} } = params;
  const { outcome, status, type } = filter;
  return queryOptions({
    queryKey: ['app', app, 'attempts', hook, { iterator, limit, outcome, status, type }],
    queryFn: () =>
      ok(
        api.GET('/api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}', {
          params: {
            path: { app_id: app, endpoint_id: hook },
            query: {
              limit,
              with_content: false,
              with_msg: true,
              ...(iterator !== null && { iterator }),
              ...(outcome && { status: outcome === 'succeeded' ? 0 : 2 }),
              ...(status && { status_code_class: STATUS_CLASSES[status] }),
              ...(type && { event_types: type }),
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
    // What is older does not change.
    refetchInterval: iterator === null ? LOOK_MS : false,
  });
}
