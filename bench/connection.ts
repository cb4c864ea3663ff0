import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Whether it says when to come back. */
  readonly retryAfter: boolean;
  readonly body: string;
}

/**
 * A keep-alive HTTP connection with one request at a time: a load generator that costs little, as it shares the
 * machine with the server under test. Reads only answers with a Content-Length, which is all that it needs.
 */
export class Connection {
  readonly #socket: Socket;
  #received: Buffer | null = null;
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | null = null;

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Connection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /** `head` ends before the Content-Length line, which is added here. */
  post(head: string, body: string): Promise<Answer> {
    return this.#exchange(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  /** `headers` are whole lines. */
  get(path: string, headers = ''): Promise<Answer> {
    return this.#exchange(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #exchange(text: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(text);
    });
  }

  #read(chunk: Buffer): void {
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd >= 0) {
      const head = bytes.toString('latin1', 0, headEnd);
      const length = /content-length: *(\d+)/i.exec(head);
      if (length === null) {
        this.#fail(new Error(`an answer without Content-Length: ${head}`));
        return;
      }
      const end = headEnd + 4 + Number(length[1]);
      if (bytes.length >= end) {
        this.#received = null;
        const waiting = this.#waiting;
        this.#waiting = null;
        waiting?.resolve({
          status: Number(head.slice(9, 12)),
          retryAfter: /^retry-after: *\d+ *$/im.test(head),
          body: bytes.toString('utf8', headEnd + 4, end),
        });
        return;
      }
    }
    this.#received = bytes;
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(error);
  }
}
