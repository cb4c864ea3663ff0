/** The beginnings of a message's event type up to each dot: those of `a.b.c` are `a.` and `a.b.`. */
const BEGINNINGS = `WITH RECURSIVE beginning (head, tail) AS (
    SELECT substr(m.event_type, 1, instr(m.event_type, '.')), substr(m.event_type, instr(m.event_type, '.') + 1)
    WHERE instr(m.event_type, '.') > 0
    UNION ALL
    SELECT head || substr(tail, 1, instr(tail, '.')), substr(tail, instr(tail, '.') + 1)
    FROM beginning WHERE instr(tail, '.') > 0
  )`;

/**
 * That a message `m` is about one of the event types that are asked for, as `matchesAny` of the model has it. What is looked up
 * is the few beginnings of the message's own, so that a thousand patterns cost no more than one.
 */
export const EVENT_TYPE_IS_WANTED = `(@eventTypes IS NULL OR m.event_type IN (SELECT value FROM json_each(@eventTypes))
    OR (@prefixes IS NOT NULL AND EXISTS (${BEGINNINGS}
      SELECT 1 FROM beginning WHERE head IN (SELECT value FROM json_each(@prefixes)))))`;

/** What that costs more than a plain row: an event type can have as many dots as characters. */
export const EVENT_TYPE_COST = `
  iif(@prefixes IS NULL, 0, length(m.event_type) - length(replace(m.event_type, '.', ''))) / 4`;

/** The values of EVENT_TYPE_IS_WANTED: `ticket.*` stands for all that begin with `ticket.`. */
export function eventTypeValues(eventTypes: readonly string[] | undefined) {
  const prefixes = eventTypes?.filter((each) => each.endsWith('.*')).map((each) => each.slice(0, -1)) ?? [];
  return {
    eventTypes: eventTypes === undefined ? null : JSON.stringify(eventTypes),
    prefixes: prefixes.length === 0 ? null : JSON.stringify(prefixes),
  };
}
