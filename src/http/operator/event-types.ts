import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import type { EventType } from '../../model/event-type.ts';
import type { HttpServices } from '../services.ts';
import { timeText } from './message-out.ts';
import { PageQuery, pageOfAll } from './paging.ts';
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
        response: {
          200: { description: 'A page', ...listOf(EventTypeOut, 'EventTypeListOut') },
          ...errorsOf(400, 401, 422, 503),
        },
      }),
    },
    async (request) =>
      pageOfAll(await registry.eventTypeList(), request.query, {
        id: ({ name }) => name,
        item: (eventType) => shown(eventType, request.query.with_content ?? false),
        isId: (name) => /^[a-zA-Z0-9\-_.]{1,256}$/.test(name),
      }),
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
