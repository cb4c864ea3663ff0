import { Fifo } from '../model/fifo.ts';

/** A connection that carries nothing now, and can be ended for another. */
export interface IdleConnection {
  evict(): void;
}

/**
 * How many sockets the pools of one sender may have in all, in use and idle. Files that a process may open are few, and
 * a socket too many fails whatever asks next: a send, an accepted connection, the store.
 *
 *     room --claim()--> one open more
 *     full, one idle --claim()--> the longest idle is evicted, one open more
 *     full, none idle --wait()--> queued; release() or setIdle(), then serve(), starts the first in the queue
 *
 * While anybody waits, nothing is idle and nothing is free: who comes later goes to the end of the queue.
 */
export class SocketShare {
  readonly #most: number;
  /** In the order in which they became idle. */
  readonly #idle = new Set<IdleConnection>();
  readonly #waiting = new Fifo<() => void>();
  #open = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get hasRoom(): boolean {
    return this.#open < this.#most || this.#idle.size > 0;
  }

  /** Takes the place of a connection to be opened; there is room. */
  claim(): void {
    if (this.#open >= this.#most) {
      const [longest] = this.#idle;
      if (longest === undefined) throw new Error('A socket was claimed where there is no room.');
      longest.evict();
    }
    this.#open++;
  }

  /** A connection has ended. */
  release(connection: IdleConnection): void {
    this.#idle.delete(connection);
    this.#open--;
  }

  setIdle(connection: IdleConnection): void {
    this.#idle.add(connection);
  }

  setBusy(connection: IdleConnection): void {
    this.#idle.delete(connection);
  }

  /** Calls `start` once there is room and nobody came before. */
  wait(start: () => void): void {
    this.#waiting.push(start);
  }

  serve(): void {
    while (this.#waiting.size > 0 && this.hasRoom) this.#waiting.shift()?.();
  }

  /** Forgets who waits. */
  close(): void {
    this.#waiting.drain();
  }
}
