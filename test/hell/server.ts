import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { certificate } from './certificate.ts';
import { listenFull } from './full-backlog.ts';
import { type NameServer, startNameServer } from './name-server.ts';
import type { Certificates, Hell, Receiver } from './receiver.ts';
import { readRequests } from './requests.ts';

export interface OpenReceiver {
  readonly receiver: Receiver;
  readonly url: string;
  /** The message ids of the requests that were read to their end. */
  readonly got: readonly string[];
  /** Connections that are open now, and all that ever were. */
  readonly open: number;
  readonly connections: number;
  /** Resolves when none is open. */
  idle(): Promise<void>;
}

export interface HellServer {
  readonly receivers: readonly OpenReceiver[];
  /** PEM: with this one trusted, each receiver behind TLS fails by its own fault. */
  readonly authority: string;
  readonly nameServer: NameServer;
  close(): Promise<void>;
}

export interface HellOptions {
  readonly port?: number;
  readonly dripMs?: number;
  /** Hears of connections and requests. */
  readonly told?: (receiver: OpenReceiver, what: string) => void;
}

const DAY_MS = 86_400_000;
const PAST = Date.UTC(2020, 4, 3, 12);

/** Opens receivers on loopback: on ports from `port` on, or on free ones. */
export async function startHell(
  receivers: readonly Receiver[],
  options: HellOptions = {},
): Promise<HellServer> {
  const { port, dripMs = 1_000, told = () => {} } = options;
  const { authority, certificates } = makeCertificates();
  const nameServer = await startNameServer();
  const opened: Opened[] = [];
  const close = async () => {
    await Promise.all(opened.map((each) => each.close()));
    await nameServer.close();
  };
  try {
    for (const [index, receiver] of receivers.entries()) {
      const one = new Opened(receiver, certificates, { dripMs, told });
      await one.listen(port === undefined ? 0 : port + index);
      opened.push(one);
      if (receiver.dns !== undefined) nameServer.set(hostOf(receiver), receiver.dns);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { receivers: opened, authority, nameServer, close };
}

class Opened implements OpenReceiver {
  readonly receiver: Receiver;
  readonly got: string[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #told: NonNullable<HellOptions['told']>;
  readonly #hell: { url: string; dripMs: number };
  #full: { close(): Promise<void> } | null = null;
  #emptied: (() => void)[] = [];

  constructor(receiver: Receiver, certificates: Certificates, options: Required<Omit<HellOptions, 'port'>>) {
    this.receiver = receiver;
    this.#hell = { url: '', dripMs: options.dripMs };
    this.#told = options.told;
    const serve = (socket: Socket) => this.#serve(socket);
    this.#server = receiver.tls ? createTlsServer(receiver.tls(certificates), serve) : createServer(serve);
    // What fails in a handshake fails here too.
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('connection', (socket) => this.#count(socket));
  }

  get url(): string {
    return this.#hell.url;
  }

  get open(): number {
    return this.#sockets.size;
  }

  async listen(port: number): Promise<void> {
    const { receiver } = this;
    let actual: number;
    if (receiver.full) {
      const full = await listenFull(port);
      this.#full = full;
      actual = full.port;
    } else {
      this.#server.listen(port, '127.0.0.1');
      await once(this.#server, 'listening');
      actual = (this.#server.address() as AddressInfo).port;
    }
    const scheme = receiver.scheme ?? (receiver.tls ? 'https' : 'http');
    this.#hell.url = `${scheme}://${hostOf(receiver)}:${actual}/`;
  }

  idle(): Promise<void> {
    // One that reads nothing does not hear of the end either.
    for (const socket of this.#sockets) socket.resume();
    return this.open === 0 ? Promise.resolve() : new Promise((resolve) => this.#emptied.push(resolve));
  }

  async close(): Promise<void> {
    await this.#full?.close();
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #count(socket: Socket): void {
    this.connections++;
    this.#told(this, `connection ${this.connections}`);
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.open === 0) for (const resolve of this.#emptied.splice(0)) resolve();
    });
  }

  #serve(socket: Socket): void {
    const { connected, begun, requested } = this.receiver;
    const hell: Hell = this.#hell;
    socket.on('error', () => undefined);
    if (requested !== undefined) {
      readRequests(socket, {
        begun: (number) => begun?.(socket, number),
        ended: (request) => {
          this.got.push(request.messageId);
          this.#told(this, `request ${request.number} of a connection: ${request.messageId}`);
          if (!socket.destroyed) requested(socket, request, hell);
        },
      });
    }
    connected?.(socket, hell);
  }
}

function hostOf(receiver: Receiver): string {
  if (receiver.dns !== undefined) return `${receiver.name}.hell.test`;
  return receiver.group === 'TLS' ? 'localhost' : '127.0.0.1';
}

function makeCertificates(): { authority: string; certificates: Certificates } {
  const authority = certificate({ host: 'Authority of hell', ca: true });
  const host = 'localhost';
  const now = Date.now();
  const make = {
    good: () => certificate({ host, issuer: authority }),
    expired: () => certificate({ host, issuer: authority, from: PAST - DAY_MS, to: PAST }),
    later: () => certificate({ host, issuer: authority, from: now + DAY_MS, to: now + 2 * DAY_MS }),
    'wrong host': () => certificate({ host: 'other.test', issuer: authority }),
    'self-signed': () => certificate({ host }),
    unknown: () => certificate({ host, issuer: certificate({ host: 'Nobody', ca: true }) }),
  };
  const served: Certificates['served'] = (kind) => {
    const { pem, key } = make[kind]();
    return { key: key.export({ type: 'pkcs8', format: 'pem' }), cert: pem };
  };
  return { authority: authority.pem, certificates: { served } };
}
