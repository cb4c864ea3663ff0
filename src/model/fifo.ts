/** A first-in-first-out queue. `Array.shift` moves every element once a queue is large; this one moves none. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts an item before the first one of which `is` is true. */
  insertBefore(item: T, is: (item: T) => boolean): void {
    let index = this.#head;
    while (index < this.#items.length && !is(this.#items[index] as T)) index++;
    this.#items.splice(index, 0, item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.#clear();
    else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) this.#compact();
    return item;
  }

  /** Takes out what is behind the first `size`. */
  truncate(size: number): T[] {
    if (this.size <= size) return [];
    return this.#items.splice(this.#head + size) as T[];
  }

  /** Takes out what `is` says, wherever it stands. */
  remove(is: (item: T) => boolean): T[] {
    const removed: T[] = [];
    const kept: T[] = [];
    for (let index = this.#head; index < this.#items.length; index++) {
      const item = this.#items[index] as T;
      (is(item) ? removed : kept).push(item);
    }
    if (removed.length === 0) return removed;
    this.#items = kept;
    this.#head = 0;
    return removed;
  }

  /** Takes out everything. */
  drain(): T[] {
    const rest = this.#items.slice(this.#head) as T[];
    this.#clear();
    return rest;
  }

  #clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
