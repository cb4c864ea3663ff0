import { once } from 'node:events';
import { createServer } from 'node:net';
import { constants } from 'node:os';

export interface Dial {
  readonly address: string;
  readonly port: number;
}

export interface DialWatch {
  /** Every TCP connection that anything in this process began, in order. */
  readonly dials: readonly Dial[];
  /** The addresses dialled since the last call, but for those of `known` ports. */
  taken(known?: readonly number[]): string[];
  stop(): void;
}

type Connect = (request: unknown, address: string, port: number) => number;

/**
 * Watches the lowest place that a connection of this process passes: the call of libuv itself, below undici, tls and
 * net, where there are no names any more. Only loopback is really dialled; everything else is noted and refused, so
 * that a test of what would happen never leaves the machine.
 */
export async function watchDials(): Promise<DialWatch> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const handle = Reflect.get(server, '_handle') as object;
  const tcp = Object.getPrototypeOf(handle) as { connect: Connect; connect6: Connect };
  server.close();
  const { connect, connect6 } = tcp;
  const dials: Dial[] = [];
  const watched = (original: Connect): Connect =>
    function (this: unknown, request, address, port) {
      dials.push({ address, port });
      const isLoopback = /^127\.\d+\.\d+\.\d+$/.test(address) || address === '::1';
      return isLoopback ? original.call(this, request, address, port) : -constants.errno.ECONNREFUSED;
    };
  tcp.connect = watched(connect);
  tcp.connect6 = watched(connect6);
  let seen = 0;
  return {
    dials,
    taken(known = []) {
      const fresh = dials.slice(seen).filter(({ port }) => !known.includes(port));
      seen = dials.length;
      return fresh.map(({ address }) => address);
    },
    stop() {
      Object.assign(tcp, { connect, connect6 });
    },
  };
}
