import { QueryClient, queryOptions, useQuery } from '@tanstack/react-query';
import { type Capability, onSignedOut, own, type Session } from '../api/client.ts';
import { Problem } from '../api/problem.ts';
import { WORDS, type Words } from '../words/dictionary.ts';
import { storeOf } from './store.ts';

/** How soon another browser's "Sign out everywhere" is noticed here. */
const LOOK_MS = 4_000;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What is wrong with the request does not get better; what is wrong with the way there may.
      retry: (failures, error) =>
        failures < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      retryDelay: (failures) => 500 * 2 ** failures,
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

/** Why the sign-in page is shown, when somebody was signed in before. */
export const goodbye = storeOf<'signed-out' | 'ended' | null>(null);

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await own<Session>('GET', '/session');
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        if (queries.getQueryData<Session | null>(['session'])) goodbye.set('ended');
        return null;
      }
      throw error;
    }
  },
  refetchInterval: ({ state }) => (state.data ? LOOK_MS : false),
  staleTime: LOOK_MS,
});

// Any answer that says so ends it here, not only the next look.
onSignedOut(() => {
  if (!queries.getQueryData<Session | null>(['session'])) return;
  goodbye.set('ended');
  forget();
});

function forget(): void {
  queries.setQueryData(['session'], null);
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
}

export async function signIn(by: { key: string } | { code: string }): Promise<void> {
  const session = await own<Session>('POST', '/session', by);
  goodbye.set(null);
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
  queries.setQueryData(['session'], session);
}

export async function signOut(everywhere: boolean): Promise<void> {
  await own('DELETE', '/session', { everywhere });
  goodbye.set('signed-out');
  forget();
}

/** Who was signed in last: what is on the page while it is left needs to know. */
let last: Session | null = null;

/** Who is signed in. Only below the frame, which is not there without. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery);
  last = data ?? last;
  if (!last)
    throw new Problem({ status: 401, code: 'authentication_failed', message: 'You are not signed in.' });
  return last;
}

export function useWords(): Words {
  return WORDS[useSession().role];
}

/** Controls that somebody may not use are absent, not disabled. */
export function useMay(): (capability: Capability) => boolean {
  const { capabilities } = useSession();
  return (capability) => capabilities === null || capabilities.includes(capability);
}

export function isReadOnly({ capabilities }: Session): boolean {
  return (
    capabilities !== null &&
    !capabilities.some((each) => each !== 'ViewBase' && each !== 'ViewEndpointSecret')
  );
}
