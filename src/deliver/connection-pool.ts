import type { Socket } from 'node:net';
import { Client } from 'undici';
import { Fifo } from '../model/fifo.ts';
import type { GuardedConnect } from './egress-guard.ts';

/** One connection's place: an undici client, which dials again when its socket has gone. */
export interface Slot {
  readonly client: Client;
  /** The socket last dialled, also while it is connecting. */
  socket: Socket | null;
  /** Monotonic ms of its last use. */
  usedAt: number;
  /** Slots of an older era are not used again. */
  readonly era: number;
}

/** An idle connection is kept this long, or as long as the receiver's `Keep-Alive` says, within the second bound. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MOST_MS = 30_000;

/**
 * The connections of one application to one origin: shared by nobody else, so that a poisoned connection harms only
 * its owner. Clients are handed out one by one, last used first, rather than through undici's Pool: then a deadline
 * can end the connect of exactly its own exchange, which a Pool does not tell apart, at the same speed.
 */
export class ConnectionPool {
  readonly #origin: string;
  readonly #connect: GuardedConnect;
  readonly #most: number;
  readonly #idle: Slot[] = [];
  readonly #all = new Set<Slot>();
  readonly #waiting = new Fifo<(slot: Slot) => void>();
  readonly #closing = new Set<Promise<void>>();
  #era = 0;

  constructor(origin: string, connect: GuardedConnect, connectionsMost: number) {
    this.#origin = origin;
    this.#connect = connect;
    this.#most = connectionsMost;
  }

  /** Whether nothing is left that would be lost with the pool. */
  get empty(): boolean {
    return this.#all.size === 0 && this.#waiting.size === 0;
  }

  /** Hands out a connection for one exchange: at once, or when one is free if as many as may be are taken. */
  use(start: (slot: Slot) => void): void {
    const slot = this.#waiting.size === 0 ? this.#take() : null;
    if (slot === null) this.#waiting.push(start);
    else start(slot);
  }

  /** Takes a slot back whose exchange ended well. */
  give(slot: Slot, now: number): void {
    if (slot.era === this.#era) {
      slot.usedAt = now;
      this.#idle.push(slot);
    } else this.#end(slot);
    this.#serve();
  }

  /** Takes a slot back whose connection is of no more use. */
  drop(slot: Slot): void {
    this.#end(slot);
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.size > 0) {
      const slot = this.#take();
      if (slot === null) return;
      this.#waiting.shift()?.(slot);
    }
  }

  #take(): Slot | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    return this.#all.size < this.#most ? this.#open() : null;
  }

  /** Ends a slot with its socket, also one that is still connecting. */
  #end(slot: Slot): void {
    if (!this.#all.delete(slot)) return;
    slot.socket?.destroy();
    const closing = slot.client.destroy().catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /** After a time-out the idle connections may be just as dead: no exchange shall wait for its deadline to learn it. */
  startEra(): void {
    this.#era++;
    for (const slot of this.#idle.splice(0)) this.#end(slot);
  }

  /** Drops what has been idle since `before`. */
  sweep(before: number): void {
    let stale = 0;
    while (stale < this.#idle.length && (this.#idle[stale] as Slot).usedAt < before) stale++;
    for (const slot of this.#idle.splice(0, stale)) this.#end(slot);
  }

  async destroy(): Promise<void> {
    this.#idle.length = 0;
    this.#waiting.drain();
    for (const slot of [...this.#all]) this.#end(slot);
    await Promise.all(this.#closing);
  }

  #open(): Slot {
    const client = new Client(this.#origin, {
      connect: (options, callback) => {
        slot.socket = this.#connect(options, callback);
      },
      pipelining: 1,
      // The exchange's deadline is the only clock: a drip-fed body or a flood of 1xx answers resets these two for ever.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MOST_MS,
      allowH2: false,
    });
    const slot: Slot = { client, socket: null, usedAt: 0, era: this.#era };
    this.#all.add(slot);
    return slot;
  }
}
