import { RESPONSE_READ_BYTES, RESPONSE_STORED_BYTES } from '../limits.ts';

/** The start of an answer's body, as it comes in. */
export class AnswerBody {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** False once more than `RESPONSE_READ_BYTES` came: nobody wants the rest. */
  add(chunk: Buffer): boolean {
    if (this.#bytes <= RESPONSE_STORED_BYTES) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    return this.#bytes <= RESPONSE_READ_BYTES;
  }

  /** At most `RESPONSE_STORED_BYTES` as text, cut between characters. */
  text(): string {
    const [first] = this.#chunks;
    if (first === undefined) return '';
    return startText(this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks));
  }
}

/**
 * Undecodable bytes are replaced, and so is NUL, which PostgreSQL's text refuses. A replacement is longer than what
 * it stands for, so the text may have to be cut once more.
 */
function startText(bytes: Buffer): string {
  const text = cutText(bytes).replaceAll('\0', '\uFFFD');
  if (text.length * 3 <= RESPONSE_STORED_BYTES) return text;
  return Buffer.byteLength(text) <= RESPONSE_STORED_BYTES ? text : cutText(Buffer.from(text));
}

function cutText(bytes: Buffer): string {
  if (bytes.length <= RESPONSE_STORED_BYTES) return bytes.toString('utf8');
  let end = RESPONSE_STORED_BYTES;
  // At most three continuation bytes (10xxxxxx) belong to the character that began before the cut.
  for (let step = 0; step < 3 && ((bytes[end] as number) & 0xc0) === 0x80; step++) end--;
  return bytes.toString('utf8', 0, end);
}
