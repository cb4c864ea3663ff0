import Type, { type Static, type TSchema } from 'typebox';
import type { AttemptFilter, MessageFilter } from '../../query/reader.ts';
import { statesOf } from './deliveries/delivery-status.ts';
import { TimedPageQuery } from './paging.ts';

/** `event_types`, `event_types[]`, `event_types[0]`: clients write lists in different ways. */
const EVENT_TYPES = /^event_types(\[\d*\])?$/;
const SEARCH_CHARACTERS = 256;
const STATUS_MOST = 4;

// No examples: the page at /docs would ask with each of them.
const label = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 256, description }));
const flag = (description: string) => Type.Optional(Type.Boolean({ default: false, description }));
const status = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: STATUS_MOST, description }));

const ofMessage = {
  event_types: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String())], {
      description:
        'Only of these event types: names with commas between them (`ticket.created,ticket.updated`), or the parameter several times. `ticket.*` stands for all that begin with `ticket.`.',
    }),
  ),
  channel: label('Only messages with this channel.'),
  tag: label('Only messages with this tag.'),
};

const withContent = (description: string) => Type.Optional(Type.Boolean({ default: true, description }));

export const MessageListQuery = Type.Object({
  ...TimedPageQuery.properties,
  ...ofMessage,
  status: status(
    'Addition of Posthorn: only messages of which a delivery is in this state: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled. A retry that is due within seconds counts as sending.',
  ),
  matched: Type.Optional(
    Type.Boolean({
      description:
        'Addition of Posthorn: only messages that some endpoint wanted, or (`false`) that none wanted.',
    }),
  ),
  search: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: SEARCH_CHARACTERS,
      description:
        'Addition of Posthorn: only messages whose id, eventId, event type or one of whose tags is this text, or whose payload has it in its JSON text. Case counts.',
    }),
  ),
  with_content: withContent('Without, `payload` is `{}`.'),
});

export const AttemptedMessageQuery = Type.Object({
  ...TimedPageQuery.properties,
  ...ofMessage,
  status: status(
    'Only messages whose delivery to the endpoint is in this state: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled. Without `expanded_statuses`, 2 finds what was cancelled too.',
  ),
  with_content: withContent('Without, `payload` is `{}`.'),
  expanded_statuses: flag('Cancelled deliveries are shown as 4 `canceled`; otherwise as 2 `fail`.'),
});

const attemptQuery = {
  ...TimedPageQuery.properties,
  ...ofMessage,
  status: status(
    'Only attempts that ended so: 0 success or 2 fail. An attempt is on record once it has ended, so that none is 1, 3 or 4.',
  ),
  status_code_class: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 500,
      multipleOf: 100,
      description:
        'Only attempts that were answered with such a status: 400 for 400 to 499; 0 for no answer.',
    }),
  ),
  with_content: withContent('Without, `response` is `{}`, and the headers are left out.'),
  with_msg: flag('Each attempt has its message as `msg`, without the payload.'),
  expanded_statuses: flag('Taken, and without effect: no attempt is ever cancelled.'),
};
export const AttemptListQuery = Type.Object(attemptQuery);
export const MessageAttemptListQuery = Type.Object({
  ...attemptQuery,
  endpoint_id: label('Only attempts at the endpoint with this id or uid.'),
});

type Of<Schema extends TSchema> = Partial<Static<Schema>>;

/** What is asked of messages; null: nothing, so that no row has to be looked at. */
export function messageFilter(query: Of<typeof MessageListQuery>): MessageFilter | null {
  const filter: MessageFilter = {
    ...labelFilter(query),
    ...(query.status !== undefined && { states: statesOf(query.status, true) }),
    ...(query.matched !== undefined && { matched: query.matched }),
    ...(query.search !== undefined && { text: query.search }),
  };
  return Object.keys(filter).length === 0 ? null : filter;
}

/** What is asked of attempts; null: nothing. `status` must be one that attempts can have. */
export function attemptFilter(
  query: Of<typeof AttemptListQuery>,
  endpointKey: number | null,
): AttemptFilter | null {
  const { status: asked, status_code_class: statusClass } = query;
  const filter: AttemptFilter = {
    ...labelFilter(query),
    ...(asked !== undefined && { succeeded: asked === 0 }),
    ...(statusClass !== undefined && { statusClass }),
    ...(endpointKey !== null && { endpointKey }),
  };
  return Object.keys(filter).length === 0 ? null : filter;
}

export function labelFilter(query: { channel?: string; tag?: string; event_types?: unknown }) {
  const { channel, tag } = query;
  const eventTypes = eventTypesIn(query);
  return {
    ...(channel !== undefined && { channel }),
    ...(tag !== undefined && { tag }),
    ...(eventTypes.length > 0 && { eventTypes }),
  };
}

function eventTypesIn(query: object): string[] {
  const texts = Object.entries(query).flatMap(([name, value]) => (EVENT_TYPES.test(name) ? value : []));
  const names = texts.flatMap((text: unknown) => (typeof text === 'string' ? text.split(',') : []));
  return [...new Set(names.filter((name) => name !== ''))];
}
