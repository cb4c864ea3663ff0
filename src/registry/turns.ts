/** Lets tasks for the same key run one after another, in the order they came, and others beside them. */
export class Turns<Key> {
  /** The last task of each key that has any; it is over or was begun, and never rejects. */
  readonly #last = new Map<Key, Promise<unknown>>();

  async take<Result>(key: Key, task: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key);
    const result = before === undefined ? task() : before.then(task);
    const over = result.then(
      () => {},
      () => {},
    );
    this.#last.set(key, over);
    try {
      return await result;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}
