import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onExit } from './cleanup.ts';

/** What a child process can be asked, by name. `never` lets every parameter type in. */
type Handlers = Record<string, (params: never) => unknown>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly params: unknown;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

const LONGEST_ANSWER_MS = 180_000;

/**
 * A script of this folder in a process of its own, asked by messages:
 *
 *     const load = await startChild<Load>(new URL('./load.ts', import.meta.url));
 *     const result = await load.ask('batch', { … });
 */
export class Child<H extends Handlers> {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(script: URL) {
    const path = fileURLToPath(script);
    this.#name = basename(path);
    this.#process = fork(path, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const forget = onExit(() => this.#process.kill('SIGKILL'));
    this.#process.on('message', (reply: Reply) => this.#settle(reply));
    this.#process.on('exit', () => {
      forget();
      for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#name} ended early`));
      this.#waiting.clear();
    });
  }

  ask<N extends keyof H & string>(name: N, ...params: Parameters<H[N]>): Promise<Awaited<ReturnType<H[N]>>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#name} did not answer ${name} in ${LONGEST_ANSWER_MS / 1000} s`));
      }, LONGEST_ANSWER_MS);
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result as Awaited<ReturnType<H[N]>>);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#process.send({ id, name, params: params[0] } satisfies Question);
    });
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  #settle({ id, result, error }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${this.#name}: ${error}`));
  }
}

/** In the child: answers the parent's questions, until the parent is gone. */
export function answerParent(handlers: Handlers): void {
  process.on('message', ({ id, name, params }: Question) => {
    const handler = handlers[name] as (params: unknown) => unknown;
    Promise.resolve()
      .then(() => handler(params))
      .then(
        (result) => process.send?.({ id, result } satisfies Reply),
        (error: Error) => process.send?.({ id, error: error.stack ?? String(error) } satisfies Reply),
      );
  });
  process.on('disconnect', () => process.exit());
}
