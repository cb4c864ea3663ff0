import Type, { type Static, type TSchema } from 'typebox';
import { METADATA_BYTES, TEXT_CHARACTERS } from '../../../limits.ts';

/**
 * What the schemas of the operator API have in common. They are its JSON, once: validation, types and OpenAPI all come from
 * them. A `title` names a schema in OpenAPI.
 */

/** The characters of names and of the caller's own ids. */
const WORD = '[a-zA-Z0-9\\-_.]+$';
export const NO_CONTROL = '^[^\\u0000-\\u0008]*$';
const WORD_CHARACTERS = 256;
const THROTTLE_RATE_MOST = 65_535;

export const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
/** May be left out or null; both mean the same, unless the schema is that of a PATCH. */
export const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(nullable(schema));

/** Values by names of any characters, line breaks among them, which the pattern of `Type.Record` lets through unchecked. */
export const recordOf = <Value extends TSchema>(value: Value, options: object = {}) =>
  Type.Unsafe<Record<string, Static<Value>>>({ type: 'object', additionalProperties: value, ...options });

/** An id of the caller's own: never one that looks like ours. */
export const uid = (prefix: string, description: string) =>
  Type.String({ minLength: 1, maxLength: WORD_CHARACTERS, pattern: `^(?!${prefix}_)${WORD}`, description });

/** A name of the caller's own. */
export const word = (options: object = {}) =>
  Type.String({ minLength: 1, maxLength: WORD_CHARACTERS, pattern: `^${WORD}`, ...options });

export const EventTypeName = word({
  examples: ['ticket.created'],
  description: 'What the message is about. It need not be in the catalogue.',
});
/** The name of an event type, or all that begin with the same: `ticket.*`. */
export const EventTypePattern = word({
  pattern: '^[a-zA-Z0-9\\-_.]+(\\.\\*)?$',
  examples: ['ticket.created', 'ticket.*'],
});
/** A name for the catalogue. A list's iterator is a name, or one with a `-` before it that leads back: no name begins so. */
export const NewEventTypeName = word({
  pattern: `^(?!-)${WORD}`,
  examples: ['ticket.created'],
  description: 'Does not begin with `-`.',
});
export const Channel = word({ examples: ['project_123'] });
export const FeatureFlag = word({ examples: ['beta'] });
export const GroupName = word({ examples: ['ticket'], description: 'What lists put it under.' });
export const Time = Type.String({ format: 'date-time', examples: ['2026-05-01T07:19:47.000Z'] });
export const Description = Type.String({ maxLength: TEXT_CHARACTERS, pattern: NO_CONTROL });
export const ThrottleRate = Type.Integer({
  minimum: 1,
  maximum: THROTTLE_RATE_MOST,
  description: 'Deliveries a second.',
});
export const RateLimit = Type.Integer({
  minimum: 1,
  maximum: THROTTLE_RATE_MOST,
  description: 'The older name of `throttleRate`, which wins.',
});
export const Metadata = recordOf(Type.String(), {
  examples: [{ plan: 'gold' }],
  description: `At most ${METADATA_BYTES} bytes as JSON.`,
});

/** The body of a call that takes none: it may be left out, and what it names is refused, so that nobody believes that it counts. */
export const NoFields = Type.Object({}, { title: 'NoFields', additionalProperties: false });

export const listOf = <Schema extends TSchema>(item: Schema, title: string) =>
  Type.Object(
    {
      data: Type.Array(item),
      iterator: nullable(Type.String({ description: 'Pass it as `iterator` for the next page.' })),
      prevIterator: Type.Optional(Type.String({ description: 'Pass it as `iterator` for the page before.' })),
      done: Type.Boolean({ description: 'Whether this was the last page.' }),
    },
    { title },
  );

export const ErrorOut = Type.Object({ code: Type.String(), detail: Type.String() }, { title: 'ErrorOut' });
export const ValidationErrorOut = Type.Object(
  {
    detail: Type.Array(
      Type.Object({
        loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
        msg: Type.String(),
        type: Type.String(),
      }),
    ),
  },
  { title: 'ValidationErrorOut' },
);
