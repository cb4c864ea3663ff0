import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { firstApplication } from './frame/application.ts';
import { Frame } from './frame/frame.tsx';
import { oneOf, parseSearch, searchOf, stringifySearch, text } from './frame/search.ts';
import { queries, sessionQuery } from './frame/session.ts';
import { HOME } from './home.ts';
import { NotLoaded, NotThere } from './parts/notices.tsx';

const rootRoute = createRootRoute({ component: Outlet, notFoundComponent: NotThere });

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: searchOf({ next: text(2_000) }),
  component: lazyRouteComponent(() => import('./pages/sign-in/page.tsx'), 'SignInPage'),
});

/** Everything that takes somebody who is signed in. */
const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'signed-in',
  beforeLoad: async ({ location }) => {
    const session = await queries.ensureQueryData(sessionQuery);
    if (session) return;
    const next = location.pathname === '/' ? undefined : location.href;
    throw redirect({ to: '/sign-in', search: { next }, replace: true });
  },
  component: Frame,
});

const startRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/',
  loader: async () => {
    const app = await firstApplication();
    if (app !== null) throw redirect({ to: '/app/$app/hooks', params: { app }, replace: true });
  },
  component: lazyRouteComponent(() => import('./pages/start/page.tsx'), 'StartPage'),
});

const hooksRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/app/$app/hooks',
  validateSearch: searchOf({ state: oneOf('healthy', 'failing', 'paused', 'disabled'), q: text() }),
  component: lazyRouteComponent(() => import('./pages/hooks/page.tsx'), 'HooksPage'),
});

const newHookRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/app/$app/hooks/new',
  component: lazyRouteComponent(() => import('./pages/hook-form/page.tsx'), 'NewHookPage'),
});

const hookRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/app/$app/hooks/$hook',
  component: lazyRouteComponent(() => import('./pages/hook/page.tsx'), 'HookPage'),
});

/** The tabs of a hook. */
const hookStartRoute = createRoute({
  getParentRoute: () => hookRoute,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/app/$app/hooks/$hook/overview', params, replace: true });
  },
});

const hookOverviewRoute = createRoute({
  getParentRoute: () => hookRoute,
  path: 'overview',
  component: lazyRouteComponent(() => import('./pages/hook/overview.tsx'), 'HookOverview'),
});

const hookAttemptsRoute = createRoute({
  getParentRoute: () => hookRoute,
  path: 'attempts',
  validateSearch: searchOf({
    outcome: oneOf('succeeded', 'failed'),
    status: oneOf('2xx', '3xx', '4xx', '5xx', 'none'),
    type: text(256),
  }),
  component: lazyRouteComponent(() => import('./pages/hook/attempts.tsx'), 'HookAttempts'),
});

const hookSecretRoute = createRoute({
  getParentRoute: () => hookRoute,
  path: 'secret',
  component: lazyRouteComponent(() => import('./pages/hook/secret.tsx'), 'HookSecret'),
});

const hookSettingsRoute = createRoute({
  getParentRoute: () => hookRoute,
  path: 'settings',
  component: lazyRouteComponent(() => import('./pages/hook-form/page.tsx'), 'HookSettings'),
});

const routeTree = rootRoute.addChildren([
  signInRoute,
  signedInRoute.addChildren([
    startRoute,
    hooksRoute,
    newHookRoute,
    hookRoute.addChildren([
      hookStartRoute,
      hookOverviewRoute,
      hookAttemptsRoute,
      hookSecretRoute,
      hookSettingsRoute,
    ]),
  ]),
]);

export const router = createRouter({
  routeTree,
  basepath: HOME,
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => <NotLoaded what="this page" error={error} onRetry={reset} />,
  defaultNotFoundComponent: NotThere,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
