/** What a help desk says about a ticket: a body of about 1 KB with the nesting and mix of types that real ones have. */
const ticket = JSON.stringify({
  ticket: {
    id: 48_151_623,
    subject: 'The invoice of March shows the old address',
    status: 'open',
    priority: 3,
    tags: ['billing', 'address', 'vip'],
    created_at: '2026-03-14T09:26:53Z',
    satisfaction: null,
    is_spam: false,
    requester: { id: 9_265_358, name: 'Renée Öztürk', email: 'renee@example.com', locale: 'de-CH' },
    assignee: { id: 979, name: 'Sam Carter', email: 'sam@example.com', groups: [3, 14, 15] },
    custom_fields: [
      { id: 71_828, name: 'Contract', value: 'Gold' },
      { id: 18_284, name: 'Amount', value: 1_249.5 },
      { id: 59_045, name: 'Renewal', value: '2027-01-01' },
    ],
    description:
      'Hello,\n\nwe moved on the first of March and told you in February, but the invoice still has the ' +
      'old street on it, and our bookkeeping refuses it. Could you send a new one to the address in the ' +
      '"Company" tab? The number of the invoice is 2026-03-0042.\n\nKind regards,\nRenée',
  },
}).slice(1);

/** Filled with the text of a long mail, to so many bytes in all; made once for each size. */
const padded = new Map<number, string>();

/**
 * One payload. Its number, and the time it was sent, come first, so that a receiver finds them without parsing.
 * @param bytes Of all of it, about; 0: as it is, a little over 1 KB.
 */
export function payloadText(number: number, sentAt: number, bytes = 0): string {
  return `{"sentAt":${sentAt.toFixed(3)},"number":${number},${bytes === 0 ? ticket : ticketOf(bytes)}`;
}

function ticketOf(bytes: number): string {
  let text = padded.get(bytes);
  if (text === undefined) {
    const missing = Math.max(0, bytes - Buffer.byteLength(ticket) - USUAL_HEAD_BYTES);
    text = `"mail":"${MAIL.repeat(Math.ceil(missing / MAIL.length)).slice(0, missing)}",${ticket}`;
    padded.set(bytes, text);
  }
  return text;
}

/** `sentAt` of a received body, or NaN. */
export function sentAtOf(body: Buffer): number {
  return Number.parseFloat(body.toString('latin1', SENT_AT.length, SENT_AT.length + 20));
}

/** `number` of a received body, or NaN. */
export function numberOf(body: Buffer): number {
  return Number.parseInt(
    /^\{"sentAt":[\d.]+,"number":(\d+)/.exec(body.toString('latin1', 0, 60))?.[1] ?? '',
    10,
  );
}

const MAIL = 'Hello, I write again about the invoice of March, which is still not right. ';
/** `sentAt`, `number`, and the name of the mail. */
const USUAL_HEAD_BYTES = 60;
const SENT_AT = '{"sentAt":';
