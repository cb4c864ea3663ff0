/** Numbers that look random and are the same for the same seed (mulberry32). */
export interface SeededRandom {
  /** In [0, 1). */
  fraction(): number;
  /** In [least, most). */
  between(least: number, most: number): number;
  /** A generator of its own: what is drawn there does not change what is drawn here. */
  fork(): SeededRandom;
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    fraction,
    between: (least, most) => least + fraction() * (most - least),
    fork: () => seededRandom(Math.floor(fraction() * 2 ** 32)),
  };
}
