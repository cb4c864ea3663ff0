import Type, { type Static } from 'typebox';

const Time = Type.String({ format: 'date-time' });
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

/** How one web hook does, at a glance. */
export const HookFigures = Type.Object({
  id: Type.String(),
  /** As `EndpointHealth` has it. */
  state: Type.Enum(['healthy', 'failing', 'breaker_open', 'paused', 'disabled']),
  failingSince: orNull(Time),
  disablesAt: orNull(Time),
  /** When the next delivery tries it again while the breaker is open. */
  nextProbe: orNull(Time),
  /** Attempts of the last 24 hours. */
  succeeded: Type.Integer(),
  failed: Type.Integer(),
  /** Deliveries, now. */
  pending: Type.Integer(),
  sending: Type.Integer(),
  held: Type.Integer(),
  lastAttempt: orNull(
    Type.Object({
      id: Type.String(),
      msgId: Type.String(),
      at: Time,
      succeeded: Type.Boolean(),
      /** Null: no answer came. */
      status: orNull(Type.Integer()),
    }),
  ),
  /** 95 in 100 answers of the last 24 hours took no longer, in ms; null: there was none. */
  p95: orNull(Type.Number()),
  /** When each secret ends that was rotated out and signs too, newest first. */
  oldSecretsEnd: Type.Array(Time),
});
export type HookFigures = Static<typeof HookFigures>;
