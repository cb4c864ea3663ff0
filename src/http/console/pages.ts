import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { HttpServices } from '../services.ts';
import { consolePath } from './cookie.ts';

/** What `npm run build` makes of console/: from here the same way in the source and in the package. */
const BUILT = new URL('../../../console/dist/', import.meta.url);
const HTML = 'text/html; charset=utf-8';
/** Its name has a hash of what is in it. */
const HASHED = /-[\w-]{8}\.\w+(\.br|\.gz)?$/;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': POLICY,
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
} as const;

const NOT_BUILT = `<!doctype html><html lang="en"><title>Posthorn</title>
<p>The console is not built. Run <code>npm run build</code>, then reload this page.</p></html>`;

/** The page itself: one HTML for every address below /console, and the files that it names. */
export function addPages(scope: FastifyInstance, { publicUrl }: Pick<HttpServices, 'publicUrl'>): void {
  void scope.register(fastifyStatic, {
    root: fileURLToPath(new URL('assets/', BUILT)),
    prefix: '/console/assets/',
    preCompressed: true,
    index: false,
    // The routes' own headers say what may be cached.
    cacheControl: false,
    setHeaders: (reply, path) => {
      reply.header('cache-control', HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  const home = consolePath(publicUrl);
  const page = (reply: FastifyReply) => pageOf(home).then((html) => answer(reply, html));
  const options = { schema: { hide: true }, config: { access: 'anybody' } } as const;
  // With and without the slash it is one route, and the files' addresses are right with it alone.
  scope.get('/console', options, (request, reply) =>
    pathOf(request).endsWith('/') ? page(reply) : reply.redirect(`${home}/`, 308),
  );
  scope.get('/console/*', options, (_request, reply) => page(reply));
}

function pathOf({ raw }: FastifyRequest): string {
  return (raw.url ?? '').split('?', 1)[0] as string;
}

/** Read each time: it is small, asked for once a visit, and made anew while somebody works on the console. */
async function pageOf(home: string): Promise<string | null> {
  try {
    const html = await readFile(new URL('index.html', BUILT), 'utf8');
    return html.replaceAll('"./assets/', `"${home}/assets/`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function answer(reply: FastifyReply, html: string | null): FastifyReply {
  return reply
    .code(html === null ? 503 : 200)
    .headers(PAGE_HEADERS)
    .type(HTML)
    .send(html ?? NOT_BUILT);
}
