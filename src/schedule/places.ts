import { Fifo } from '../model/fifo.ts';
import type { Holding, Standing } from './holding.ts';
import type { Lane } from './lane.ts';

/** Parts of all places that endpoints of a standing may take together. Those that answer always have a quarter left. */
const PARTS: Readonly<Record<Standing, number>> = { answering: 1, new: 0.5, silent: 0.25 };
const STANDINGS = ['answering', 'new', 'silent'] as const;

/**
 * The requests that may be under way over all endpoints. Of those for a standing, an application may have as many as it
 * leaves free: half when it is alone, a third beside another that takes what it can get, and one is left for who has none.
 */
export class Places {
  readonly #total: number;
  readonly #taken: Record<Standing, number> = { answering: 0, new: 0, silent: 0 };
  /** Lanes whose application may have no more, by what they were when they came. */
  readonly #waiting = new Map<Holding, Record<Standing, Fifo<Lane>>>();

  constructor(total: number) {
    this.#total = total;
  }

  /** Nobody gets one. */
  get full(): boolean {
    return this.#free('answering') <= 0;
  }

  has(standing: Standing, holding: Holding): boolean {
    return holding.places[standing] < this.#free(standing);
  }

  take(standing: Standing, holding: Holding): void {
    this.#taken[standing]++;
    holding.places[standing]++;
  }

  /** @param standing As it was when the place was taken. */
  free(standing: Standing, holding: Holding): void {
    this.#taken[standing]--;
    holding.places[standing]--;
  }

  /** The lane waits until its application may have another place. */
  await(lane: Lane): void {
    let waiting = this.#waiting.get(lane.holding);
    if (waiting === undefined) {
      waiting = { answering: new Fifo(), new: new Fifo(), silent: new Fifo() };
      this.#waiting.set(lane.holding, waiting);
    }
    waiting[lane.standing].push(lane);
  }

  /** Lanes wait. */
  get awaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes out lanes that waited, of each application and standing as many as it may have places now. */
  released(): Lane[] {
    const lanes: Lane[] = [];
    let applications = this.#waiting.size;
    for (const [holding, waiting] of this.#waiting) {
      if (applications-- === 0 || lanes.length >= this.#free('answering')) break;
      let left = 0;
      for (const standing of STANDINGS) {
        const room = this.#free(standing) - holding.places[standing];
        for (let taken = 0; taken < room && waiting[standing].size > 0; taken++)
          lanes.push(waiting[standing].shift() as Lane);
        left += waiting[standing].size;
      }
      // To the end: the next time it is the turn of others.
      this.#waiting.delete(holding);
      if (left > 0) this.#waiting.set(holding, waiting);
    }
    return lanes;
  }

  #free(standing: Standing): number {
    const { answering, new: unknown, silent } = this.#taken;
    const ofAll = this.#total - answering - unknown - silent;
    return Math.min(ofAll, Math.ceil(this.#total * PARTS[standing]) - this.#taken[standing]);
  }
}
