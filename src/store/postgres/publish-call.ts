/**
 * `posthorn.publish` as a publisher calls it, whatever client it has: each value is text or null, which all of them send alike.
 * The parameters are in the order of `PublishValues`.
 */
export const PUBLISH_CALL = `SELECT posthorn.publish($1::text, $2::text, $3::text, $4::text, $5::text::text[], $6::text::text[],
  $7::text::timestamptz, $8::text::timestamptz, $9::text, $10::text::integer, $11::text::integer) AS id`;

export interface PublishValues {
  readonly application: string | null;
  readonly eventType: string | null;
  readonly payload: string | null;
  readonly eventId: string | null;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  /** RFC 3339. */
  readonly deliverAt: string | null;
  readonly expiresAt: string | null;
  readonly orderingKey: string | null;
  readonly payloadRetentionPeriod: number | null;
  readonly payloadRetentionHours: number | null;
}

export function publishCallValues(values: PublishValues): (string | null)[] {
  return [
    values.application,
    values.eventType,
    values.payload,
    values.eventId,
    arrayText(values.channels),
    arrayText(values.tags),
    values.deliverAt,
    values.expiresAt,
    values.orderingKey,
    numberText(values.payloadRetentionPeriod),
    numberText(values.payloadRetentionHours),
  ];
}

/** As PostgreSQL writes an array. */
function arrayText(values: readonly string[] | null): string | null {
  if (values === null) return null;
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

function numberText(value: number | null): string | null {
  return value === null ? null : String(value);
}
