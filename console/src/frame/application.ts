import { queryOptions, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { type Application, api, ok } from '../api/client.ts';
import { queries, sessionQuery } from './session.ts';

/** The application of the address, by its id, uid or number. */
export function applicationQuery(app: string) {
  return queryOptions({
    queryKey: ['app', app],
    queryFn: (): Promise<Application> =>
      ok(api.GET('/api/v1/app/{app_id}', { params: { path: { app_id: app } } })),
    staleTime: 60_000,
  });
}

/** All that the switcher shows at once. */
const SHOWN = 250;

export const applicationsQuery = queryOptions({
  queryKey: ['apps'],
  queryFn: async () => ok(api.GET('/api/v1/app', { params: { query: { limit: SHOWN } } })),
  staleTime: 30_000,
});

/** What the address says; null: the page is of none. */
export function useApplicationRef(): string | null {
  return useParams({ strict: false, select: ({ app }) => app ?? null });
}

export function useApplicationName(): string | null {
  const app = useApplicationRef();
  const { data } = useQuery({ ...applicationQuery(app ?? ''), enabled: app !== null });
  return data?.name ?? null;
}

const LAST_KEY = 'posthorn-application';

export function rememberApplication(id: string): void {
  try {
    localStorage.setItem(LAST_KEY, id);
  } catch {
    // A browser that keeps nothing.
  }
}

/** Where the console begins: a company at home, an operator where they were last. Null: there is no application yet. */
export async function firstApplication(): Promise<string | null> {
  const session = await queries.ensureQueryData(sessionQuery);
  if (session?.application) return session.application.id;
  const { data } = await queries.ensureQueryData(applicationsQuery);
  let last: string | null = null;
  try {
    last = localStorage.getItem(LAST_KEY);
  } catch {
    // A browser that keeps nothing.
  }
  return (data.find(({ id }) => id === last) ?? data[0])?.id ?? null;
}
