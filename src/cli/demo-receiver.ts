import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../model/clock.ts';

/** What arrived, and whether it came from Posthorn. */
export interface Arrival {
  readonly messageId: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
  readonly verified: boolean;
  /** What the receiver answered. */
  readonly status: number;
}

const TIMESTAMP_TOLERANCE_SECONDS = 300;

/**
 * The receiving side of a web hook, as a customer would write it: checks the signature by Standard Webhooks, and
 * answers. It says 500 to the first delivery, as servers do on bad days.
 */
export class DemoReceiver {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #onArrival: (arrival: Arrival) => void;
  #secret = '';
  #requests = 0;

  constructor(options: { clock: Clock; onArrival: (arrival: Arrival) => void }) {
    this.#clock = options.clock;
    this.#onArrival = options.onArrival;
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        const arrival = this.#take(request.headers, Buffer.concat(parts));
        response.writeHead(arrival.status).end(arrival.status === 200 ? 'Thank you.' : 'Sorry.');
        this.#onArrival(arrival);
      });
    });
  }

  /** Resolves to the URL to register. */
  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`);
      });
    });
  }

  /** The web hook's secret: until it is known, nothing verifies. */
  trust(secret: string): void {
    this.#secret = secret;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #take(headers: IncomingHttpHeaders, body: Buffer): Arrival {
    const [messageId, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) =>
      String(headers[`webhook-${name}`] ?? ''),
    ) as [string, string, string];
    const verified = this.#verify({ messageId, timestamp, signature, body });
    const isFirst = this.#requests++ === 0;
    const status = verified ? (isFirst ? 500 : 200) : 401;
    return { messageId, timestamp, signature, body: body.toString(), verified, status };
  }

  /** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
  #verify(given: { messageId: string; timestamp: string; signature: string; body: Buffer }): boolean {
    const ageSeconds = Math.abs(this.#clock.now() / 1000 - Number(given.timestamp));
    if (!(ageSeconds <= TIMESTAMP_TOLERANCE_SECONDS)) return false;
    const key = Buffer.from(this.#secret.replace(/^whsec_/, ''), 'base64');
    const signed = createHmac('sha256', key)
      .update(`${given.messageId}.${given.timestamp}.`)
      .update(given.body);
    const expected = signed.digest();
    return given.signature.split(' ').some((each) => {
      const [version, encoded = ''] = each.split(',');
      const actual = Buffer.from(encoded, 'base64');
      return version === 'v1' && actual.length === expected.length && timingSafeEqual(actual, expected);
    });
  }
}
