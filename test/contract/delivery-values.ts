import fc from 'fast-check';
import { NOW } from './world.ts';

/** Of the world that the commands of the delivery model meet. */
export const ENDPOINTS = 3;

export const endpointIndex = fc.nat({ max: ENDPOINTS - 1 });
export const moment = fc.integer({ min: 0, max: 5 }).map((offset) => NOW + offset);
