import type { Socket } from 'node:net';
import { Client } from 'undici';
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
  #closing = new Set<Promise<void>>();
  #era = 0;

  constructor(origin: string, connect: GuardedConnect, connectionsMost: number) {
    this.#origin = origin;
    this.#connect = connect;
    this.#most = connectionsMost;
  }

  get connections(): number {
    return this.#all.size;
  }

  /** A connection for one exchange, or null when all that may be are taken. */
  take(): Slot | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    return this.#all.size < this.#most ? this.#open() : null;
  }

  /** Takes a slot back whose exchange ended well. */
  give(slot: Slot, now: number): void {
    if (slot.era !== this.#era) {
      this.drop(slot);
      return;
    }
    slot.usedAt = now;
    this.#idle.push(slot);
  }

  /** Ends a slot with its socket, also one that is still connecting. */
  drop(slot: Slot): void {
    if (!this.#all.delete(slot)) return;
    slot.socket?.destroy();
    const closing = slot.client.destroy().catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /** After a time-out the idle connections may be just as dead: no exchange shall wait for its deadline to learn it. */
  startEra(): void {
    this.#era++;
    for (const slot of this.#idle.splice(0)) this.drop(slot);
  }

  /** Drops what has been idle since `before`. */
  sweep(before: number): void {
    let stale = 0;
    while (stale < this.#idle.length && (this.#idle[stale] as Slot).usedAt < before) stale++;
    for (const slot of this.#idle.splice(0, stale)) this.drop(slot);
  }

  async destroy(): Promise<void> {
    this.#idle.length = 0;
    for (const slot of [...this.#all]) this.drop(slot);
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
