import { randomBytes } from 'node:crypto';
import type { Random } from '../model/clock.ts';

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (length) => randomBytes(length),
};
