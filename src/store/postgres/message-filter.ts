import { jsonSpellings } from '../../model/json-spellings.ts';
import { stateCode } from '../rows/delivery-states.ts';
import type { MessageFilter } from '../store.ts';
import { texts } from './arrays.ts';
import { EVENT_TYPE_COST, EVENT_TYPE_IS_WANTED, eventTypeValues } from './event-type-filter.ts';
import { isPossible, listed } from './json-words.ts';

const DELIVERIES =
  'FROM posthorn.delivery d WHERE d.application_key = m.application_key AND d.message_key = m.message_key';
const ATTEMPTS =
  'FROM posthorn.attempt a WHERE a.application_key = m.application_key AND a.message_key = m.message_key';

/**
 * The filter as SQL on a message `m`. One text for all filters: what is not asked for is NULL and costs a glance. Within CASE
 * the conditions are tried in this order and the first that fails ends it, so that a payload is read for `text` alone, and last.
 * OFFSET 0 keeps the planner from a look through all deliveries instead of one for each message. The endpoint of an attempt is no
 * column there, so that attempts are found by their message: one endpoint may have had millions.
 */
export const MESSAGE_IS_WANTED = `CASE WHEN
  ${EVENT_TYPE_IS_WANTED}
  AND (@channel::text IS NULL OR ${listed('m.channels', '@channel')})
  AND (@channels::text[] IS NULL OR EXISTS (
    SELECT 1 FROM json_array_elements(m.channels::json) AS list (element) WHERE element::text = ANY (@channels) OFFSET 0))
  AND (@tag::text IS NULL OR ${listed('m.tags', '@tag')})
  AND (@endpointKey::bigint IS NULL OR EXISTS (
    SELECT 1 ${DELIVERIES} AND d.endpoint_key = @endpointKey
      AND (@states::integer IS NULL OR (@states >> d.state) & 1 = 1) OFFSET 0))
  AND (@statusClass::integer IS NULL OR @statusClass = (
    SELECT coalesce(a.status, 0) / 100 * 100 ${ATTEMPTS} AND a.endpoint_key + 0 = @endpointKey ORDER BY a.id DESC LIMIT 1))
  AND (@missingFor::bigint IS NULL OR NOT EXISTS (SELECT 1 ${DELIVERIES} AND d.endpoint_key = @missingFor OFFSET 0))
  AND (@matched::boolean IS NULL OR @matched = EXISTS (SELECT 1 ${DELIVERIES} OFFSET 0))
  AND (@states::integer IS NULL OR @endpointKey IS NOT NULL OR EXISTS (
    SELECT 1 ${DELIVERIES} AND (@states >> d.state) & 1 = 1 OFFSET 0))
  THEN @needles::text[] IS NULL OR m.id = @word::text OR m.event_id = @word OR m.event_type = @word
    OR ${listed('m.tags', '@jsonWord::text')}
    OR EXISTS (SELECT 1 FROM unnest(@needles) AS spelled (needle) WHERE strpos(m.payload, needle) > 0 OFFSET 0)
  ELSE false END`;

/** What looking at a message costs more than a plain row: a long payload to search, many dots in its event type, or many deliveries or attempts to look through. */
export const MESSAGE_COST = `(
  ${EVENT_TYPE_COST}
  + CASE WHEN @needles::text[] IS NULL THEN 0 ELSE coalesce(octet_length(m.payload), 0) / 1024 END
  + CASE WHEN @statusClass::integer IS NULL THEN 0 ELSE (SELECT count(*) ${ATTEMPTS}) / 8 END
  + CASE WHEN @states::integer IS NULL OR @endpointKey::bigint IS NOT NULL THEN 0 ELSE (SELECT count(*) ${DELIVERIES}) / 8 END)`;

/** The values of MESSAGE_IS_WANTED and MESSAGE_COST. */
export function messageFilterValues(filter: MessageFilter) {
  const { channel, channels, tag, text } = filter;
  const needles = text === undefined ? null : [text, ...jsonSpellings(text)].filter(isPossible);
  return {
    ...eventTypeValues(filter.eventTypes),
    channel: channel === undefined ? null : JSON.stringify(channel),
    channels: channels === undefined ? null : texts(channels.map((each) => JSON.stringify(each))),
    tag: tag === undefined ? null : JSON.stringify(tag),
    endpointKey: filter.endpointKey ?? null,
    statusClass: filter.statusClass ?? null,
    missingFor: filter.missingFor ?? null,
    matched: filter.matched ?? null,
    // A bit for each state.
    states: filter.states?.reduce((bits, state) => bits | (1 << stateCode(state)), 0) ?? null,
    word: text !== undefined && isPossible(text) ? text : null,
    jsonWord: text === undefined ? null : JSON.stringify(text),
    needles: needles === null ? null : texts(needles),
  };
}
