import { nameSet } from './json-words.ts';

/**
 * That a message `m` is about one of the event types that are asked for, as `matchesAny` of the model has it. What is looked up
 * is the few beginnings of the message's own up to each dot (those of `a.b.c` are `a.` and `a.b.`), so that a thousand patterns
 * cost no more than one.
 */
export const EVENT_TYPE_IS_WANTED = `(@eventTypes::jsonb IS NULL OR @eventTypes ? m.event_type
    OR (@prefixes::jsonb IS NOT NULL AND strpos(m.event_type, '.') > 0 AND EXISTS (
      SELECT 1 FROM generate_series(1, length(m.event_type)) AS series (place)
      WHERE substr(m.event_type, place, 1) = '.' AND @prefixes ? left(m.event_type, place) OFFSET 0)))`;

/** What that costs more than a plain row: an event type can have as many dots as characters. */
export const EVENT_TYPE_COST = `
  CASE WHEN @prefixes::jsonb IS NULL THEN 0
    ELSE (length(m.event_type) - length(replace(m.event_type, '.', ''))) / 4 END`;

/** The values of EVENT_TYPE_IS_WANTED: `ticket.*` stands for all that begin with `ticket.`. */
export function eventTypeValues(eventTypes: readonly string[] | undefined) {
  const prefixes = eventTypes?.filter((each) => each.endsWith('.*')).map((each) => each.slice(0, -1)) ?? [];
  return {
    eventTypes: eventTypes === undefined ? null : nameSet(eventTypes),
    prefixes: prefixes.length === 0 ? null : nameSet(prefixes),
  };
}
