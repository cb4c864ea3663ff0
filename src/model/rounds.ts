/** Things that wait for their turn, by owner: owners take turns, and the things of one in the order they came. */
export class Rounds<Thing> {
  readonly #owners = new Map<number, Thing[]>();

  add(owner: number, thing: Thing): void {
    const things = this.#owners.get(owner);
    if (things === undefined) this.#owners.set(owner, [thing]);
    else things.push(thing);
  }

  /** Owners that have something waiting. */
  get owners(): number {
    return this.#owners.size;
  }

  /** The first thing of the owner whose turn it is; null when there is none. */
  take(): Thing | null {
    for (const [owner, things] of this.#owners) {
      // To the end: whoever has more gets the next turn after all others.
      this.#owners.delete(owner);
      const thing = things.shift();
      if (things.length > 0) this.#owners.set(owner, things);
      if (thing !== undefined) return thing;
    }
    return null;
  }
}
