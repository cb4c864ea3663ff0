/**
 * Arrays as PostgreSQL takes them in its binary format (`array_recv`): no text is escaped, which for payloads of 1 KB was most of
 * what binding them took. An int32 for the number of dimensions, one whether there are NULLs, the element type's oid; for the one
 * dimension its length and lower bound; then each element as its length (-1: NULL) and its bytes.
 */

const OIDS = { bytea: 17, int8: 20, int2: 21, int4: 23, text: 25 } as const;
const HEADER_BYTES = 20;
const EMPTY_BYTES = 12;

/** For `$n::bigint[]`. */
export function bigints(values: readonly (number | null)[]): Buffer {
  return fixed(OIDS.int8, 8, values, (buffer, value, at) => {
    // Two halves: a BigInt for each would cost more than all the rest.
    const high = Math.floor(value / 2 ** 32);
    buffer.writeInt32BE(high, at);
    buffer.writeUInt32BE(value - high * 2 ** 32, at + 4);
  });
}

/** For `$n::int[]`. */
export function integers(values: readonly (number | null)[]): Buffer {
  return fixed(OIDS.int4, 4, values, (buffer, value, at) => buffer.writeInt32BE(value, at));
}

/** For `$n::smallint[]`. */
export function smallints(values: readonly (number | null)[]): Buffer {
  return fixed(OIDS.int2, 2, values, (buffer, value, at) => buffer.writeInt16BE(value, at));
}

/** For `$n::text[]`. A NUL, which no text of PostgreSQL can have, becomes U+FFFD. */
export function texts(values: readonly (string | null)[]): Buffer {
  if (values.length === 0) return empty(OIDS.text);
  let bytes = HEADER_BYTES;
  const lengths = values.map((value) => {
    const length = value === null ? -1 : Buffer.byteLength(storable(value));
    bytes += 4 + Math.max(0, length);
    return length;
  });
  const buffer = Buffer.allocUnsafe(bytes);
  let at = header(buffer, OIDS.text, values);
  values.forEach((value, index) => {
    at = buffer.writeInt32BE(lengths[index] as number, at);
    if (value !== null) at += buffer.write(storable(value), at);
  });
  return buffer;
}

/** For `$n::bytea[]`. */
export function byteArrays(values: readonly (Buffer | null)[]): Buffer {
  if (values.length === 0) return empty(OIDS.bytea);
  const bytes = values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), HEADER_BYTES);
  const buffer = Buffer.allocUnsafe(bytes);
  let at = header(buffer, OIDS.bytea, values);
  for (const value of values) {
    at = buffer.writeInt32BE(value?.length ?? -1, at);
    if (value !== null) at += value.copy(buffer, at);
  }
  return buffer;
}

/** Text as PostgreSQL can keep it. */
export function storable(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}

function fixed(
  oid: number,
  width: number,
  values: readonly (number | null)[],
  write: (buffer: Buffer, value: number, at: number) => void,
): Buffer {
  if (values.length === 0) return empty(oid);
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (4 + width));
  let at = header(buffer, oid, values);
  for (const value of values) {
    at = buffer.writeInt32BE(value === null ? -1 : width, at);
    if (value === null) continue;
    write(buffer, value, at);
    at += width;
  }
  return at === buffer.length ? buffer : buffer.subarray(0, at);
}

function header(buffer: Buffer, oid: number, values: readonly unknown[]): number {
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(values.length, 12);
  return buffer.writeInt32BE(1, 16);
}

function empty(oid: number): Buffer {
  const buffer = Buffer.alloc(EMPTY_BYTES);
  buffer.writeInt32BE(oid, 8);
  return buffer;
}
