import type { OwnedKind } from '../model/shares.ts';

const SEEDS: Readonly<Record<OwnedKind, number>> = { endpoint: 0x9e3779b9, application: 0x7f4a7c15 };

/**
 * Which of the live nodes sends for what only one may: the one that scores highest (rendezvous hashing). Nodes that see the same
 * others agree without a word, each has an even part, and one that comes or goes moves its own part and nothing else.
 *
 * @param epochs Of the live nodes, at least one, in any order.
 */
export function owner(kind: OwnedKind, key: number, epochs: readonly number[]): number {
  const hash = mixed(mixed(SEEDS[kind] ^ key) + Math.floor(key / 2 ** 32));
  let best = Number.NaN;
  let most = -1;
  for (const epoch of epochs) {
    const score = mixed(hash ^ Math.imul(epoch, 0x9e3779b1)) >>> 0;
    if (score < most || (score === most && epoch > best)) continue;
    most = score;
    best = epoch;
  }
  return best;
}

/** The finalizer of MurmurHash3: each bit of what goes in turns about half of those that come out. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
