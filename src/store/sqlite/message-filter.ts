import { jsonSpellings } from '../../model/json-spellings.ts';
import { stateCode } from '../rows/delivery-states.ts';
import type { MessageFilter } from '../store.ts';
import { EVENT_TYPE_COST, EVENT_TYPE_IS_WANTED, eventTypeValues } from './event-type-filter.ts';
import { listed } from './scan.ts';

/**
 * The filter as SQL on a message `m`. One text for all filters: what is not asked for is NULL and costs a glance. The
 * conditions are tried in this order and the first that fails ends it, so that a payload is read for `text` alone, and last.
 */
export const MESSAGE_IS_WANTED = `
  ${EVENT_TYPE_IS_WANTED}
  AND (@channel IS NULL OR ${listed('m.channels', '@channel')})
  AND (@channels IS NULL OR EXISTS (SELECT 1 FROM json_each(m.channels) WHERE value IN (SELECT value FROM json_each(@channels))))
  AND (@tag IS NULL OR ${listed('m.tags', '@tag')})
  AND (@endpointKey IS NULL OR EXISTS (SELECT 1 FROM delivery d WHERE d.message_key = m.message_key
    AND d.endpoint_key = @endpointKey AND (@states IS NULL OR @states >> d.state & 1)))
  AND (@statusClass IS NULL OR @statusClass = (SELECT coalesce(a.status, 0) / 100 * 100 FROM attempt a
    WHERE a.message_key = m.message_key AND a.endpoint_key = @endpointKey ORDER BY a.id DESC LIMIT 1))
  AND (@missingFor IS NULL OR NOT EXISTS (SELECT 1 FROM delivery d
    WHERE d.message_key = m.message_key AND d.endpoint_key = @missingFor))
  AND (@matched IS NULL OR @matched = EXISTS (SELECT 1 FROM delivery d WHERE d.message_key = m.message_key))
  AND (@states IS NULL OR @endpointKey IS NOT NULL OR EXISTS (SELECT 1 FROM delivery d
    WHERE d.message_key = m.message_key AND @states >> d.state & 1))
  AND (@text IS NULL OR m.id = @text OR m.event_id = @text OR m.event_type = @text OR ${listed('m.tags', '@text')}
    OR instr(m.payload, @text) > 0
    OR (@spellings IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(@spellings) WHERE instr(m.payload, value) > 0)))`;

/** What looking at a message costs more than a plain row: a long payload to search, many dots in its event type, or many deliveries or attempts to look through. */
export const MESSAGE_COST = `
  ${EVENT_TYPE_COST}
  + iif(@text IS NULL, 0, octet_length(m.payload) / 1024)
  + iif(@statusClass IS NULL, 0, (SELECT count(*) FROM attempt a WHERE a.message_key = m.message_key) / 8)
  + iif(@states IS NULL OR @endpointKey IS NOT NULL, 0,
    (SELECT count(*) FROM delivery d WHERE d.message_key = m.message_key) / 8)`;

/** The values of MESSAGE_IS_WANTED. */
export function messageFilterValues(filter: MessageFilter) {
  const spellings = filter.text === undefined ? [] : jsonSpellings(filter.text);
  return {
    ...eventTypeValues(filter.eventTypes),
    channel: filter.channel ?? null,
    channels: filter.channels === undefined ? null : JSON.stringify(filter.channels),
    tag: filter.tag ?? null,
    endpointKey: filter.endpointKey ?? null,
    statusClass: filter.statusClass ?? null,
    missingFor: filter.missingFor ?? null,
    matched: filter.matched === undefined ? null : Number(filter.matched),
    // A bit for each state.
    states: filter.states?.reduce((bits, state) => bits | (1 << stateCode(state)), 0) ?? null,
    text: filter.text ?? null,
    spellings: spellings.length === 0 ? null : JSON.stringify(spellings),
  };
}
