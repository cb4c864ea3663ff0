const ZERO = 0x30;
const ONE = 0x31;
const TWO = 0x32;
/** Where the digits of the status are in `HTTP/1.1 100 Continue`. */
const STATUS_AT = 9;

/**
 * Makes each 100 (Continue) at the start of what came in a 102 (Processing). Nobody asked for one, but some servers and
 * proxies send it all the same, and a client has to pass over it (RFC 9110, 15.2). undici does so with every other 1xx, and
 * ends the connection at a 100: the receiver has the message, and would get it with each try again.
 *
 * One whose status line comes in two pieces is not found; then it is as undici has it.
 */
export function disguiseContinue(chunk: Buffer): void {
  let at = 0;
  while (chunk[at + STATUS_AT] === ONE && chunk.toString('latin1', at, at + 5) === 'HTTP/') {
    if (chunk[at + STATUS_AT + 1] === ZERO && chunk[at + STATUS_AT + 2] === ZERO) {
      chunk[at + STATUS_AT + 2] = TWO;
    }
    const end = chunk.indexOf('\r\n\r\n', at);
    if (end === -1) return;
    at = end + 4;
  }
}
