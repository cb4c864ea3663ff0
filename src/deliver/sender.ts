import type { Sender } from '../model/exchange.ts';
import { createHttpSender, type HttpSenderOptions } from './http-sender.ts';
import { createThreadSender } from './sender-thread.ts';

export type SenderOptions = Omit<HttpSenderOptions, 'onBug' | 'resolver' | 'build'> & {
  /** 0: on this thread; 1: on a thread of its own. */
  threads: 0 | 1;
  log: { error(fields: object, text: string): void };
};

/**
 * The sender of a running server. A thread of its own leaves this one to accept and record: in the prototype, on
 * two cores, that took batch publish from 0.61 to 0.74 of the bare HTTP limit.
 */
export function createSender({ threads, log, ...options }: SenderOptions): Sender {
  const onBug = (err: unknown) => log.error({ err }, 'a request failed by a fault of ours');
  if (threads === 0) return createHttpSender({ ...options, onBug });
  return createThreadSender({
    ...options,
    onBug,
    onCrash: (err) => log.error({ err }, 'the sender thread ended unexpectedly; a new one is started'),
  });
}
