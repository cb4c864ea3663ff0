/** Something that is to happen, and can be taken back. */
export interface Planned {
  cancel(): void;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/**
 * The time of a simulated world, in ms from its beginning, which only moves when it is told to. What is planned happens in order
 * of time, then of planning; and between two things that happen, all that follows from the first without time passing.
 */
export class Timeline {
  #at = 0;
  #order = 0;
  readonly #heap: Entry[] = [];
  #soon: (() => void)[] = [];
  /** Things that happened. */
  happened = 0;

  get at(): number {
    return this.#at;
  }

  plan(delayMs: number, fire: () => void): Planned {
    const entry = { at: this.#at + Math.max(0, delayMs), order: this.#order++, fire, cancelled: false };
    this.#insert(entry);
    return {
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** Once what is happening has led to all it leads to. */
  soon(fire: () => void): void {
    this.#soon.push(fire);
  }

  /** Lets what is due now, and what follows from it, happen. */
  async settle(): Promise<void> {
    for (;;) {
      // Nothing in a simulated world waits for anything real, so that one turn of the event loop ends all that promises lead to.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#soon.length === 0) return;
      for (const fire of this.#soon.splice(0)) fire();
    }
  }

  /** Lets so much time pass, stopping at whatever happens on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#at + ms;
    await this.settle();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#removeFirst();
      if (next.cancelled) continue;
      this.#at = Math.max(this.#at, next.at);
      this.happened++;
      next.fire();
      await this.settle();
    }
    this.#at = end;
  }

  #insert(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[index] = heap[parent] as Entry;
      index = parent;
    }
    heap[index] = entry;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[index] = heap[child] as Entry;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
