import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { PAGE_ROWS_DEFAULT } from '../../limits.ts';
import type { EventType } from '../../model/event-type.ts';
import type { HttpServices } from '../services.ts';
import { timeText } from './message-out.ts';
import { iteratorOf, PageQuery, pageOf } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { EventTypeOut, listOf } from './schemas.ts';

const ListQuery = Type.Object({
  ...PageQuery.properties,
  with_content: Type.Optional(Type.Boolean({ default: false, description: 'With the schemas.' })),
});

/** The catalogue. It belongs to no application: every key reads it. */
export function addEventTypeRoutes(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<{ Querystring: Static<typeof ListQuery> }>(
    '/api/v1/event-type',
    {
      schema: operatorRoute({
        operationId: 'listEventTypes',
        tag: 'Event Type',
        summary: 'List event types by name',
        querystring: ListQuery,
        response: { 200: { description: 'A page', ...listOf(EventTypeOut, 'EventTypeListOut') }, ...errorsOf(400, 401, 422, 503) },
      }),
    },
    async (request) => listed(await registry.eventTypeList(), request.query),
  );

  scope.get<{ Params: { event_type_name: string } }>(
    '/api/v1/event-type/:event_type_name',
    {
      schema: operatorRoute({
        operationId: 'getEventType',
        tag: 'Event Type',
        summary: 'Get an event type with its schema and example',
        response: { 200: { description: 'The event type', ...EventTypeOut }, ...errorsOf(401, 404, 503) },
      }),
    },
    async (request) => {
      const found = await registry.eventTypeFind(request.params.event_type_name);
      if (found === null) throw new ApiError('not_found', 'There is no event type of this name.');
      return shown(found, true);
    },
  );
}

function listed(all: readonly EventType[], query: Static<typeof ListQuery>) {
  const limit = query.limit ?? PAGE_ROWS_DEFAULT;
  const ordered = [...all].sort((one, other) => (one.name < other.name ? -1 : 1));
  const iterator = iteratorOf(query.iterator, (name) => /^[a-zA-Z0-9\-_.]{1,256}$/.test(name));
  const show = {
    id: ({ name }: EventType) => name,
    item: (eventType: EventType) => shown(eventType, query.with_content ?? false),
    backwards: iterator?.backwards ?? false,
  };
  if (iterator?.backwards) {
    return pageOf(ordered.filter(({ name }) => name < iterator.from).slice(-limit - 1), limit, show);
  }
  const rest = iterator === null ? ordered : ordered.filter(({ name }) => name > iterator.from);
  return pageOf(rest.slice(0, limit + 1), limit, show);
}

function shown(eventType: EventType, withContent: boolean): Static<typeof EventTypeOut> {
  const { name, description, archived, createdAt, updatedAt } = eventType;
  return {
    name,
    description,
    archived,
    deprecated: false,
    schemas: withContent ? schemasOf(eventType) : null,
    createdAt: timeText(createdAt),
    updatedAt: timeText(updatedAt),
    featureFlag: null,
  };
}

/** By version, of which there is one; the example is where clients look for it, in the schema. */
function schemasOf({ schema, example }: EventType): Record<string, unknown> | null {
  if (schema === null) return null;
  return { 1: example === null || 'examples' in schema ? schema : { ...schema, examples: [example] } };
}
