import type { Socket } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { ExchangeErrorCode } from '../../src/model/exchange.ts';
import type { DnsAnswer } from './name-server.ts';
import type { HellRequest } from './requests.ts';

/** What a receiver can use while it has a connection. */
export interface Hell {
  /** Its own URL. */
  readonly url: string;
  /** Between two drips: a second, and less in the tests. */
  readonly dripMs: number;
}

/** What one attempt at it looks like on record. Null: none. */
export interface Ending {
  readonly status: number | null;
  readonly error: ExchangeErrorCode | null;
}

export interface Receiver extends Ending {
  readonly name: string;
  readonly group: Group;
  /** What it does, after its name. */
  readonly does: string;
  /** What Posthorn does about it, where status, error and outcome don't say it all. */
  readonly note?: string;
  /** A 2xx is success, everything else is tried again; `put off`: as its `Retry-After` asks, by a day at most. */
  readonly outcome: 'delivered' | 'tried again' | 'put off';
  /** Which of the two it is, is a matter of a moment. */
  readonly orError?: ExchangeErrorCode;
  /** Only the time limit ends it. */
  readonly lasts?: true;
  /** The later attempts, when they end in another way. */
  readonly later?: Ending;
  /** It sees whole requests, so that those it saw and the attempts on record can be compared. */
  readonly reads?: false;
  readonly tls?: (certificates: Certificates) => TlsOptions;
  /** For URLs: `http` though it speaks TLS, and the other way round. */
  readonly scheme?: 'http' | 'https';
  /** Its name is asked of DNS, which answers so; the last answer for ever. */
  readonly dns?: readonly DnsAnswer[];
  /** No connection is accepted, and the queue of those that wait is full. */
  readonly full?: true;
  /** At once, with each connection. */
  readonly connected?: (socket: Socket, hell: Hell) => void;
  /** When the first bytes of a request are in. */
  readonly begun?: (socket: Socket, number: number) => void;
  /** When a request is in. */
  readonly requested?: (socket: Socket, request: HellRequest, hell: Hell) => void;
}

export type Group =
  | 'Silent and slow'
  | 'Too much'
  | 'Broken off'
  | 'Wrong lengths'
  | 'No proper HTTP'
  | 'Sent elsewhere, and put off'
  | 'Kept connections'
  | 'TLS'
  | 'DNS';

export interface Certificates {
  served(kind: 'good' | 'expired' | 'later' | 'wrong host' | 'self-signed' | 'unknown'): SecureContextOptions;
}

/** Writes that as fast as it is taken, for as long as the other side stays. */
export function pour(socket: Socket, text: string | Buffer): void {
  const chunk = typeof text === 'string' ? Buffer.from(text.repeat(Math.ceil(65_536 / text.length))) : text;
  const more = () => {
    if (socket.destroyed) return;
    socket.write(chunk, (error) => {
      if (!error) setImmediate(more);
    });
  };
  more();
}

/** Writes that again and again, slowly. */
export function drip(socket: Socket, text: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(text), everyMs);
  socket.once('close', () => clearInterval(timer));
}

/** Ends the connection so that what was written before has been read: a reset overtakes what is on its way. */
export function resetSoon(socket: Socket): void {
  const timer = setTimeout(() => socket.resetAndDestroy(), 30);
  socket.once('close', () => clearTimeout(timer));
}

export const OK = 'HTTP/1.1 200 OK\r\n';
export const EMPTY_OK = `${OK}content-length: 0\r\n\r\n`;
