/** That a message `m` is about one of the event types that are asked for, as `matchesAny` of the model has it. */
export const EVENT_TYPE_IS_WANTED = `(@eventTypes IS NULL OR m.event_type IN (SELECT value FROM json_each(@eventTypes))
    OR (@prefixes IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(@prefixes)
      WHERE substr(m.event_type, 1, length(value)) = value)))`;

/** The values of EVENT_TYPE_IS_WANTED: `ticket.*` stands for all that begin with `ticket.`. */
export function eventTypeValues(eventTypes: readonly string[] | undefined) {
  const prefixes = eventTypes?.filter((each) => each.endsWith('.*')).map((each) => each.slice(0, -1)) ?? [];
  return {
    eventTypes: eventTypes === undefined ? null : JSON.stringify(eventTypes),
    prefixes: prefixes.length === 0 ? null : JSON.stringify(prefixes),
  };
}
