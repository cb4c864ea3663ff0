import './styles/tokens.css';
import './styles/base.css';
import { CSPProvider } from '@base-ui/react/csp-provider';
import { Tooltip } from '@base-ui/react/tooltip';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Announcer } from './frame/announcer.tsx';
import { linkFailed } from './frame/link.ts';
import { queries, sessionQuery, signIn } from './frame/session.ts';
import { Toasts } from './frame/toasts.tsx';
import { router } from './routes.tsx';

/** The code of a link that was followed. It leaves the address before anything else happens. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code !== null) history.replaceState(history.state, '', location.pathname + location.search);
  return code;
}

async function start(): Promise<void> {
  const code = takeCode();
  if (code !== null) {
    await signIn({ code }).catch((error: unknown) => linkFailed.set(error));
  }
  // Signed out, here or in another browser: the guard of the routes looks again.
  let wasIn = false;
  queries.getQueryCache().subscribe(({ query }) => {
    if (query.queryKey[0] !== sessionQuery.queryKey[0]) return;
    const isIn = Boolean(query.state.data);
    if (wasIn && !isIn) void router.invalidate();
    wasIn = isIn;
  });
  const root = document.getElementById('root');
  if (root === null) throw new Error('The page has no root.');
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={queries}>
          <Tooltip.Provider delay={300}>
            <RouterProvider router={router} />
            <Announcer />
            <Toasts />
          </Tooltip.Provider>
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
}

void start();
