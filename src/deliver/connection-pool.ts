import type { Socket } from 'node:net';
import { Client } from 'undici';
import type { GuardedConnect } from './egress-guard.ts';
import type { IdleConnection, SocketShare } from './socket-share.ts';

interface Listener {
  /** May change what has come in. False: undici shall not have it. */
  hears(chunk: Buffer): boolean;
}

/** One connection's place: an undici client, which dials again when its socket has gone. */
export interface Slot extends IdleConnection {
  readonly client: Client;
  /** The socket last dialled, also while it is connecting. */
  socket: Socket | null;
  /** The exchange under way, which sees what has come in before undici does. */
  listener: Listener | null;
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
 * can end the connect of exactly its own exchange, which a Pool does not tell apart, at the same speed. How many there
 * may be is a matter of all pools: their share says so.
 */
export class ConnectionPool {
  readonly #origin: string;
  readonly #connect: GuardedConnect;
  readonly #share: SocketShare;
  readonly #idle: Slot[] = [];
  readonly #all = new Set<Slot>();
  readonly #closing = new Set<Promise<void>>();
  /** Exchanges that wait for their turn. */
  #waiting = 0;
  #era = 0;

  constructor(origin: string, connect: GuardedConnect, share: SocketShare) {
    this.#origin = origin;
    this.#connect = connect;
    this.#share = share;
  }

  /** Whether nothing is left that would be lost with the pool. */
  get empty(): boolean {
    return this.#all.size === 0 && this.#waiting === 0;
  }

  /** Hands out a connection for one exchange: at once, or when its turn comes if all the sockets are in use. */
  use(start: (slot: Slot) => void): void {
    if (this.#share.hasRoom) {
      start(this.#take());
      return;
    }
    this.#waiting++;
    this.#share.wait(() => {
      this.#waiting--;
      start(this.#take());
    });
  }

  /** Takes a slot back whose exchange ended well. */
  give(slot: Slot, now: number): void {
    if (slot.era === this.#era) {
      slot.usedAt = now;
      this.#idle.push(slot);
      this.#share.setIdle(slot);
    } else this.#end(slot);
    this.#share.serve();
  }

  /** Takes a slot back whose connection is of no more use. */
  drop(slot: Slot): void {
    this.#end(slot);
    this.#share.serve();
  }

  /** The warmest connection, or a new one for which there is room. */
  #take(): Slot {
    const idle = this.#idle.pop();
    if (idle === undefined) return this.#open();
    this.#share.setBusy(idle);
    return idle;
  }

  /** Ends the connection that has been idle the longest of all: in its pool, too, it is the first. */
  #evict(slot: Slot): void {
    const first = this.#idle.shift();
    if (first !== slot) throw new Error('A connection was evicted that is not the longest idle.');
    this.#end(slot);
  }

  /** Ends a slot with its socket, also one that is still connecting. */
  #end(slot: Slot): void {
    if (!this.#all.delete(slot)) return;
    this.#share.release(slot);
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
    for (const slot of [...this.#all]) this.#end(slot);
    await Promise.all(this.#closing);
  }

  #open(): Slot {
    this.#share.claim();
    const client = new Client(this.#origin, {
      connect: (options, callback) => {
        slot.socket = this.#connect(options, (...args) => {
          if (args[1] !== null) listenTo(args[1], slot);
          callback(...args);
        });
      },
      pipelining: 1,
      // The exchange's deadline is the only clock: a drip-fed body or a flood of 1xx answers resets these two for ever.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MOST_MS,
      allowH2: false,
    });
    const slot: Slot = {
      client,
      socket: null,
      listener: null,
      usedAt: 0,
      era: this.#era,
      evict: () => this.#evict(slot),
    };
    this.#all.add(slot);
    return slot;
  }
}

/** undici takes what came in by `read`, and has no place to look at it before. */
function listenTo(socket: Socket, slot: Slot): void {
  const read = socket.read;
  socket.read = (size?: number) => {
    const chunk: Buffer | null = read.call(socket, size);
    if (chunk === null || slot.listener === null || slot.listener.hears(chunk)) return chunk;
    return null;
  };
}
