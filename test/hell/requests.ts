import type { Socket } from 'node:net';

export interface HellRequest {
  /** The message's: `webhook-id`. */
  readonly messageId: string;
  /** 1 for the first on its connection. */
  readonly number: number;
}

/** Reads the requests of one connection, each to its last byte, as `content-length` has it. */
export function readRequests(
  socket: Socket,
  on: { readonly begun?: (number: number) => void; readonly ended: (request: HellRequest) => void },
): void {
  let head = '';
  let bodyLeft = 0;
  let number = 0;
  let messageId = '';
  const end = () => {
    head = '';
    on.ended({ messageId, number });
  };
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (bodyLeft > 0) {
        const taken = Math.min(bodyLeft, chunk.length - at);
        at += taken;
        bodyLeft -= taken;
        if (bodyLeft === 0) end();
        continue;
      }
      if (head === '') on.begun?.(++number);
      const before = head.length;
      head += chunk.toString('latin1', at);
      const headEnd = head.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      at += headEnd + 4 - before;
      head = head.slice(0, headEnd);
      messageId = /^webhook-id: *(.*)$/im.exec(head)?.[1] ?? '';
      bodyLeft = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
      if (bodyLeft === 0) end();
    }
  });
}
