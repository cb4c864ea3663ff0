import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { ApiError } from '../../errors.ts';
import { type EventType, isVisibleTo } from '../../model/event-type.ts';
import type { HttpServices } from '../services.ts';
import { callerIn } from './caller.ts';
import { changedEventType, checkedEventTypeName, eventTypeFields } from './event-type-in.ts';
import { orderOf } from './id-page.ts';
import { timeText } from './message-out.ts';
import { PageQuery, pageOfAll } from './paging.ts';
import { errorsOf, operatorRoute } from './route-schemas.ts';
import { listOf } from './schemas/common.ts';
import { EventTypeIn, EventTypeOut, EventTypePatch, EventTypeUpdate } from './schemas/event-type.ts';

const PATH = '/api/v1/event-type/:event_type_name';
const ListQuery = Type.Object({
  ...PageQuery.properties,
  order: orderOf('ascending', 'By name.'),
  include_archived: Type.Optional(Type.Boolean({ default: false, description: 'Archived ones too.' })),
  with_content: Type.Optional(Type.Boolean({ default: false, description: 'With the schemas.' })),
});
const DeleteQuery = Type.Object({
  expunge: Type.Optional(
    Type.Boolean({ default: false, description: 'Removes it altogether; otherwise it is archived.' }),
  ),
});

interface OneRoute {
  Params: { event_type_name: string };
}

/** The catalogue. It belongs to no application: operators write it, every key reads it. */
export function addEventTypeRoutes(scope: FastifyInstance, services: HttpServices): void {
  addRead(scope, services);
  addCreate(scope, services);
  addChange(scope, services);
  addDelete(scope, services);
}

function addRead(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.get<{ Querystring: Static<typeof ListQuery> }>(
    '/api/v1/event-type',
    {
      schema: operatorRoute({
        operationId: 'listEventTypes',
        tag: 'Event Type',
        summary: 'List event types by name',
        description:
          'With their schemas a page has fewer event types than `limit` where those come to more than 4 Mi characters: `done` and `iterator` say how to go on.',
        querystring: ListQuery,
        response: {
          200: { description: 'A page', ...listOf(EventTypeOut, 'EventTypeListOut') },
          ...errorsOf(400, 401, 403, 422, 503),
        },
      }),
    },
    async (request) => {
      const { include_archived: archivedToo, with_content: withContent = false, order } = request.query;
      const caller = callerIn(request);
      const all = await registry.eventTypes.listByName();
      const listed = all.filter((each) => (archivedToo || !each.archived) && isVisibleTo(each, caller));
      return pageOfAll(listed, request.query, {
        id: ({ name }) => name,
        item: (eventType) => shown(eventType, withContent),
        isId: (name) => /^[a-zA-Z0-9\-_.]{1,256}$/.test(name),
        descending: order === 'descending',
        ...(withContent && { charactersOf: (each) => registry.eventTypes.schemaCharacters(each) }),
      });
    },
  );

  scope.get<OneRoute>(
    PATH,
    {
      schema: operatorRoute({
        operationId: 'getEventType',
        tag: 'Event Type',
        summary: 'Get an event type with its schemas, also an archived one',
        response: {
          200: { description: 'The event type', ...EventTypeOut },
          ...errorsOf(401, 403, 404, 503),
        },
      }),
    },
    async (request) => {
      const found = await registry.eventTypeFind(request.params.event_type_name);
      if (found === null || !isVisibleTo(found, callerIn(request))) {
        throw new ApiError('not_found', 'There is no event type of this name.');
      }
      return shown(found, true);
    },
  );
}

function addCreate(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.post<{ Body: Static<typeof EventTypeIn> }>(
    '/api/v1/event-type',
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'createEventType',
        tag: 'Event Type',
        summary: 'Create an event type, or bring an archived one back with other content',
        body: EventTypeIn,
        response: {
          201: { description: 'Created', ...EventTypeOut },
          ...errorsOf(400, 401, 403, 409, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const made = await registry.eventTypes.create(request.body.name, eventTypeFields(request.body));
      return reply.code(201).send(shown(made, true));
    },
  );

  scope.put<OneRoute & { Body: Static<typeof EventTypeUpdate> }>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'upsertEventType',
        tag: 'Event Type',
        summary: 'Replace an event type, or create one of this name',
        description: 'What is left out is cleared, but for `validation`, which stays.',
        body: EventTypeUpdate,
        response: {
          200: { description: 'Replaced', ...EventTypeOut },
          201: { description: 'Created', ...EventTypeOut },
          ...errorsOf(400, 401, 403, 413, 422, 503),
        },
      }),
    },
    async (request, reply) => {
      const name = checkedEventTypeName(request.params.event_type_name);
      const { eventType, made } = await registry.eventTypes.put(name, eventTypeFields(request.body));
      return reply.code(made ? 201 : 200).send(shown(eventType, true));
    },
  );
}

function addChange(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.patch<OneRoute & { Body: Static<typeof EventTypePatch> }>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'patchEventType',
        tag: 'Event Type',
        summary: 'Change some of an event type',
        body: EventTypePatch,
        response: {
          200: { description: 'Changed', ...EventTypeOut },
          ...errorsOf(400, 401, 403, 404, 413, 422, 503),
        },
      }),
    },
    async (request) => {
      const { event_type_name: name } = request.params;
      return shown(await registry.eventTypes.update(name, changedEventType(request.body)), true);
    },
  );
}

function addDelete(scope: FastifyInstance, { registry }: HttpServices): void {
  scope.delete<OneRoute & { Querystring: Static<typeof DeleteQuery> }>(
    PATH,
    {
      config: { access: 'operator' },
      schema: operatorRoute({
        operationId: 'deleteEventType',
        tag: 'Event Type',
        summary: 'Archive an event type, or remove it',
        description: 'An archived one can be read by its name; messages of either are still taken.',
        querystring: DeleteQuery,
        response: {
          204: { description: 'Archived or removed', type: 'null' },
          ...errorsOf(400, 401, 403, 404, 503),
        },
      }),
    },
    async (request, reply) => {
      const { event_type_name: name } = request.params;
      if (request.query.expunge) await registry.eventTypes.delete(name);
      else await registry.eventTypes.update(name, { archived: true });
      return reply.code(204).send();
    },
  );
}

function shown(eventType: EventType, withContent: boolean): Static<typeof EventTypeOut> {
  const { name, description, archived, deprecated, schemas, featureFlags, groupName, validation } = eventType;
  return {
    name,
    description,
    archived,
    deprecated,
    schemas: withContent && schemas !== null ? { ...schemas } : null,
    createdAt: timeText(eventType.createdAt),
    updatedAt: timeText(eventType.updatedAt),
    featureFlag: featureFlags?.[0] ?? null,
    featureFlags: featureFlags && [...featureFlags],
    groupName,
    validation,
  };
}
