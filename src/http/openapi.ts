import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { JSON_TYPE } from './answer.ts';
import { operationalWebhooks } from './operator/schemas/operational-event.ts';
import type { HttpServices } from './services.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

const DESCRIPTION = `Two faces on one core. The **Web Hooks API** (\`/web_hooks.json\`) is for companies: they register the URLs
that get their actions. The **operator API** (\`/api/v1\`) is for those who publish and operate; it speaks the wire protocol of
the Svix server, so that its client libraries work here. A web hook made through one is an endpoint in the other.`;

/** In the order in which the page shows them. */
const TAGS = [
  'Web Hooks',
  'Application',
  'Authentication',
  'Key',
  'Endpoint',
  'Message',
  'Message Attempt',
  'Task',
  'Event Type',
  'Statistics',
  'Operational Webhook',
  'Health',
];

const DOCS = '/docs';
/** Only what this server sends itself; the page's styles are set by script. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * `GET /openapi.json` from the schemas of the routes, and a page to read it at `/docs`. To be called before the routes
 * are added; the document is made when it is first asked for.
 */
export async function addDocs(
  app: FastifyInstance,
  { version }: Pick<HttpServices, 'version'>,
): Promise<() => object> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Posthorn',
        version,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative to where the document came from, so that it is right behind any proxy.
      servers: [{ url: '/' }],
      tags: TAGS.map((name) => ({ name })),
      webhooks: operationalWebhooks(),
      components: {
        securitySchemes: {
          key: {
            type: 'http',
            scheme: 'bearer',
            description: 'An operator key, or the key of one application.',
          },
          auth_token: { type: 'apiKey', in: 'query', name: 'auth_token', description: "A company's token." },
        },
      },
    },
  });
  let document: JsonObject | null = null;
  const openapi = () => {
    document ??= named(JSON.parse(JSON.stringify(app.swagger())) as JsonObject);
    return document;
  };
  let text: Buffer | null = null;
  const openapiText = () => {
    text ??= Buffer.from(JSON.stringify(openapi(), null, 2));
    return text;
  };
  await app.register(swaggerUi, {
    routePrefix: DOCS,
    staticCSP: DOCS_POLICY,
    theme: { title: 'Posthorn API' },
    uiConfig: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      deepLinking: false,
      supportedSubmitMethods: ['get', 'post', 'put', 'patch', 'delete'],
    },
    // Its own routes would write the document anew for each call: 20 ms as YAML, which nobody here asks for.
    uiHooks: {
      onRequest: async (request, reply) => {
        if (request.routeOptions.url === `${DOCS}/json`) return reply.type(JSON_TYPE).send(openapiText());
        if (request.routeOptions.url === `${DOCS}/yaml`) return reply.callNotFound();
      },
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    return reply.type(JSON_TYPE).send(openapiText());
  });
  app.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('console/', 307));
  return openapi;
}

/** Moves every schema that has a `title` to `components.schemas`, so that it stands in the document once. */
function named(document: JsonObject): JsonObject {
  const schemas: JsonObject = {};
  const visit = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(visit);
    if (value === null || typeof value !== 'object') return value;
    const visited = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, visit(member)]));
    if (typeof visited.title !== 'string' || !('type' in visited)) return visited;
    const { title, ...schema } = visited;
    schemas[title] ??= { title, ...schema };
    return { $ref: `#/components/schemas/${title}` };
  };
  const paths = visit(document.paths as Json);
  const webhooks = visit(document.webhooks as Json);
  return { ...document, paths, webhooks, components: { ...(document.components as JsonObject), schemas } };
}
