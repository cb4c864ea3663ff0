import type { Clock, Random } from './clock.ts';

export type IdPrefix = 'app' | 'ep' | 'msg' | 'atmpt' | 'key' | 'qtask' | 'sess';

/** A KSUID with milliseconds: 27 base62 digits of 4 bytes seconds, 1 byte of 4 ms units, 15 random bytes. */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const EPOCH_SECONDS = 1_400_000_000;
const LENGTH = 27;
const COUNTED_DIGITS = 4;
const COUNTED = 62 ** COUNTED_DIGITS;
/** The last 4 ms that ids can tell: in the year 2150. */
const LAST_SLOT = 2 ** 32 * 250 - 1;

export interface Ids {
  /** A new id such as `msg_2nZ…`. Ids of one process ascend, also when the wall clock steps back. */
  next(prefix: IdPrefix): string;
}

/**
 * Ids by one process. Fresh random digits are drawn once per 4 ms; within that slot the last four digits
 * count up. That spares encoding 20 bytes as base62 for each id.
 */
export function createIds(clock: Clock, random: Random): Ids {
  let slot = -1;
  let head = '';
  let count = COUNTED;

  const open = (at: number) => {
    slot = at;
    const digits = encode(slot, random.bytes(15));
    head = digits.slice(0, LENGTH - COUNTED_DIGITS);
    count = Math.floor(random.fraction() * (COUNTED / 2));
  };

  return {
    next(prefix) {
      const current = Math.floor((clock.now() - EPOCH_SECONDS * 1000) / 4);
      if (current > slot) open(current);
      else if (count >= COUNTED) open(slot + 1);
      return `${prefix}_${head}${tail(count++)}`;
    },
  };
}

/** When the id was made, in ms since the Unix epoch (4 ms steps), or null if it is no such id. */
export function timeOfId(id: string, prefix: IdPrefix): number | null {
  if (!isId(id, prefix)) return null;
  let value = 0n;
  for (const digit of id.slice(prefix.length + 1)) value = value * 62n + BigInt(DIGITS.indexOf(digit));
  if (value >> 160n) return null;
  const slots = Number(value >> 120n);
  return (EPOCH_SECONDS + Math.floor(slots / 256)) * 1000 + (slots % 256) * 4;
}

/** The smallest id with this prefix made at or after `at` (ms since the Unix epoch): a bound for range scans. */
export function firstIdAt(prefix: IdPrefix, at: number): string {
  const slot = Math.min(LAST_SLOT, Math.max(0, Math.floor((at - EPOCH_SECONDS * 1000) / 4)));
  return `${prefix}_${encode(slot, Buffer.alloc(15))}`;
}

/** Whether `text` has the form of an id with this prefix. Says nothing about its existence. */
export function isId(text: string, prefix: IdPrefix): boolean {
  return (
    text.length === prefix.length + 1 + LENGTH &&
    text.startsWith(`${prefix}_`) &&
    /^[a-z]+_[0-9A-Za-z]{27}$/.test(text)
  );
}

function encode(slot: number, tailBytes: Buffer): string {
  const seconds = Math.floor(slot / 250);
  let value = (BigInt(seconds) << 8n) | BigInt(slot % 250);
  value = (value << 120n) | BigInt(`0x${tailBytes.toString('hex')}`);
  let digits = '';
  while (digits.length < LENGTH) {
    digits = DIGITS[Number(value % 62n)] + digits;
    value /= 62n;
  }
  return digits;
}

function tail(count: number): string {
  let rest = count;
  let digits = '';
  for (let place = 0; place < COUNTED_DIGITS; place++) {
    digits = DIGITS[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
