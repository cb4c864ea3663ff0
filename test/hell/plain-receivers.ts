import { gzipSync } from 'node:zlib';
import { drip, EMPTY_OK, OK, pour, type Receiver, resetSoon } from './receiver.ts';

const gzipBomb = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 1 });

const answers = (text: string | Buffer): Pick<Receiver, 'requested'> => ({
  requested: (socket) => void socket.write(text),
});
const notHttp = { status: null, error: 'protocol_error', outcome: 'tried again' } as const;
const tooLate = { status: null, error: 'timed_out', outcome: 'tried again', lasts: true } as const;
const closed = { status: null, error: 'connection_closed', outcome: 'tried again' } as const;
const success = { status: 200, error: null, outcome: 'delivered' } as const;

const silent: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'never-accepts',
    does: 'lets connections wait for ever (its backlog is full)',
    ...tooLate,
    reads: false,
    full: true,
  },
  { name: 'never-answers', does: 'reads the request and says nothing', ...tooLate, requested: () => {} },
  {
    name: 'never-reads',
    does: 'accepts the connection and reads nothing of a large request',
    ...tooLate,
    reads: false,
    connected: (socket) => void socket.pause(),
  },
  {
    name: 'drips-headers',
    does: 'sends its headers one byte a second',
    ...tooLate,
    requested(socket, _request, { dripMs }) {
      socket.write(`${OK}x: `);
      drip(socket, 'y', dripMs);
    },
  },
  {
    name: 'drips-body',
    does: 'answers 200, and then sends one byte a second',
    status: 200,
    error: 'timed_out',
    outcome: 'delivered',
    lasts: true,
    note: 'the 2xx counts, as it has the message',
    requested(socket, _request, { dripMs }) {
      socket.write(`${OK}content-length: 99999\r\n\r\nstart`);
      drip(socket, '.', dripMs);
    },
  },
  {
    name: 'drips-refusal',
    does: 'answers 500, and then sends one byte a second',
    status: 500,
    error: 'timed_out',
    outcome: 'tried again',
    lasts: true,
    requested(socket, _request, { dripMs }) {
      socket.write('HTTP/1.1 500 No\r\ncontent-length: 99999\r\n\r\nstart');
      drip(socket, '.', dripMs);
    },
  },
  {
    name: 'drips-hints',
    does: 'sends a 103 every second and never an answer',
    ...tooLate,
    requested: (socket, _request, { dripMs }) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n', dripMs),
  },
];

const BIG = 'y'.repeat(20_000);
const tooMuch: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'endless-body',
    does: 'answers 200 with a body that never ends',
    ...success,
    note: 'cut off after 64 KiB, of which 20,000 bytes are kept',
    requested(socket) {
      socket.write(`${OK}\r\n`);
      pour(socket, 'x');
    },
  },
  {
    name: 'endless-chunks',
    does: 'answers 200 with chunks of one byte that never end',
    ...success,
    note: 'cut off after 256 KiB',
    requested(socket) {
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
      pour(socket, '1\r\nx\r\n');
    },
  },
  {
    name: 'endless-chunk-extension',
    does: 'answers 200, and its first chunk has an extension that never ends',
    ...success,
    note: 'cut off after 256 KiB, whatever they are',
    requested(socket) {
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n5;x=`);
      pour(socket, 'y');
    },
  },
  {
    name: 'endless-trailers',
    does: 'answers 200 with a body, and trailers that never end',
    ...success,
    error: 'protocol_error',
    note: 'the 2xx counts',
    requested(socket) {
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n`);
      pour(socket, 'x: y\r\n');
    },
  },
  {
    name: 'gzip-bomb',
    does: 'answers 200 with 64 MiB of zeros, compressed',
    ...success,
    note: 'never unpacked, nor asked for',
    requested(socket) {
      socket.write(`${OK}content-encoding: gzip\r\ncontent-length: ${gzipBomb.length}\r\n\r\n`);
      socket.write(gzipBomb);
    },
  },
  {
    name: 'huge-header',
    does: 'answers with a header of 20 KB',
    ...notHttp,
    ...answers(`${OK}x: ${BIG}\r\n\r\n`),
  },
  {
    name: 'many-headers',
    does: 'answers with 20,000 headers',
    ...notHttp,
    ...answers(`${OK}${'x: y\r\n'.repeat(20_000)}\r\n`),
  },
  {
    name: 'endless-headers',
    does: 'answers with headers that never end',
    ...notHttp,
    requested(socket) {
      socket.write(OK);
      pour(socket, 'x: y\r\n');
    },
  },
  {
    name: 'flood-of-hints',
    does: 'sends 103 as fast as it can and never an answer',
    ...notHttp,
    note: 'cut off after 256 KiB',
    requested: (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  },
  {
    name: 'binary-body',
    does: 'answers 200 with NUL, broken UTF-8 and terminal escapes',
    ...success,
    note: 'what is no text is replaced in the record',
    requested: (socket) =>
      void socket.write(
        Buffer.concat([
          Buffer.from(`${OK}content-length: 12\r\n\r\n`),
          Buffer.from([0, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x1b, 0x5b, 0x32, 0x4a, 0]),
        ]),
      ),
  },
];

const brokenOff: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'resets-on-connect',
    does: 'resets each connection at once',
    ...closed,
    orError: 'connection_failed',
    reads: false,
    connected: (socket) => void socket.resetAndDestroy(),
  },
  {
    name: 'resets',
    does: 'resets the connection instead of an answer',
    ...closed,
    requested: (socket) => void socket.resetAndDestroy(),
  },
  {
    name: 'closes',
    does: 'closes the connection instead of an answer',
    ...closed,
    requested: (socket) => void socket.end(),
  },
  {
    name: 'resets-in-headers',
    does: 'resets the connection in the middle of its headers',
    ...closed,
    requested(socket) {
      socket.write(`${OK}content-len`);
      resetSoon(socket);
    },
  },
  {
    name: 'resets-in-body',
    does: 'answers 200, and resets the connection in the middle of the body',
    status: 200,
    error: 'connection_closed',
    outcome: 'delivered',
    note: 'the 2xx counts',
    requested(socket) {
      socket.write(`${OK}content-length: 100\r\n\r\nhalf`);
      resetSoon(socket);
    },
  },
  {
    name: 'resets-in-refusal',
    does: 'answers 500, and resets the connection in the middle of the body',
    status: 500,
    error: 'connection_closed',
    outcome: 'tried again',
    requested(socket) {
      socket.write('HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf');
      resetSoon(socket);
    },
  },
];

const lengths: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'length-too-long',
    does: 'answers 200, sends less than its `Content-Length` says, and closes',
    status: 200,
    error: 'connection_closed',
    outcome: 'delivered',
    note: 'the 2xx counts',
    requested: (socket) => void socket.end(`${OK}content-length: 100\r\n\r\nhalf`),
  },
  {
    name: 'length-never-reached',
    does: 'answers 200, sends less than its `Content-Length` says, and waits',
    status: 200,
    error: 'timed_out',
    outcome: 'delivered',
    lasts: true,
    note: 'the 2xx counts',
    ...answers(`${OK}content-length: 100\r\n\r\nhalf`),
  },
  {
    name: 'length-too-short',
    does: 'answers 200, and sends more than its `Content-Length` says',
    ...success,
    note: "the rest is nobody's answer, and the connection is dropped",
    ...answers(`${OK}content-length: 2\r\n\r\nok and what came to my mind`),
  },
  {
    name: 'two-lengths',
    does: 'answers with two different lengths',
    ...notHttp,
    ...answers(`${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`),
  },
  {
    name: 'length-and-chunks',
    does: 'answers with a length and in chunks',
    ...notHttp,
    ...answers(`${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello`),
  },
  {
    name: 'negative-length',
    does: 'answers with a negative length',
    ...notHttp,
    ...answers(`${OK}content-length: -1\r\n\r\n`),
  },
  {
    name: 'absurd-chunk',
    does: 'answers 200, and announces a chunk larger than any number',
    status: 200,
    error: 'protocol_error',
    outcome: 'delivered',
    note: 'the 2xx counts',
    ...answers(`${OK}transfer-encoding: chunked\r\n\r\n${'F'.repeat(40)}\r\nx`),
  },
];

const notProper: readonly Omit<Receiver, 'group'>[] = [
  { name: 'is-ssh', does: 'speaks SSH', ...notHttp, ...answers('SSH-2.0-OpenSSH_9.2\r\n') },
  {
    name: 'speaks-first',
    does: 'answers before it was asked, as a mail server does',
    ...notHttp,
    reads: false,
    connected: (socket) => void socket.write('220 mail.example ESMTP\r\n'),
  },
  { name: 'http-0.9', does: 'answers without a status line', ...notHttp, ...answers('<html>hello</html>') },
  {
    name: 'http2-only',
    does: 'speaks only HTTP/2, without TLS',
    ...notHttp,
    // SETTINGS, and GOAWAY with PROTOCOL_ERROR.
    requested: (socket) =>
      void socket.end(Buffer.from('000000040000000000' + '0000080700000000000000000000000001', 'hex')),
  },
  {
    name: 'says-continue',
    does: 'says 100 Continue, for which nobody asked, and then 200',
    ...success,
    note: 'passed over, as every 1xx',
    ...answers(`HTTP/1.1 100 Continue\r\n\r\n${EMPTY_OK}`),
  },
  {
    name: 'hints-and-answers',
    does: 'sends three 103 and then 200',
    ...success,
    note: 'passed over, as every 1xx',
    ...answers(`${'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(3)}${EMPTY_OK}`),
  },
  {
    name: 'switches-protocol',
    does: 'switches to another protocol (101)',
    ...notHttp,
    ...answers('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  },
  {
    name: 'status-099',
    does: 'answers with the status 099',
    ...notHttp,
    ...answers('HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'status-999',
    does: 'answers with the status 999',
    status: 999,
    error: null,
    outcome: 'tried again',
    ...answers('HTTP/1.1 999 Go Away\r\ncontent-length: 2\r\n\r\nno'),
  },
  {
    name: 'nameless-header',
    does: 'answers with a header without a name',
    ...notHttp,
    ...answers(`${OK}: x\r\n\r\n`),
  },
];

const DAYS_400 = 400 * 86_400;
const elsewhere: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'redirects-to-itself',
    does: 'redirects to itself, for ever (302)',
    status: 302,
    error: null,
    outcome: 'tried again',
    note: 'redirects are not followed',
    requested: (socket, _request, { url }) =>
      void socket.write(`HTTP/1.1 302 Found\r\nlocation: ${url}\r\ncontent-length: 0\r\n\r\n`),
  },
  {
    name: 'redirects-inside',
    does: "redirects to the address of a cloud's secrets (307)",
    status: 307,
    error: null,
    outcome: 'tried again',
    note: 'redirects are not followed',
    ...answers('HTTP/1.1 307 Moved\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'retry-in-a-year',
    does: 'answers 503, and asks to be left in peace for 400 days',
    status: 503,
    error: null,
    outcome: 'put off',
    ...answers(`HTTP/1.1 503 Later\r\nretry-after: ${DAYS_400}\r\ncontent-length: 0\r\n\r\n`),
  },
  {
    name: 'retry-at-nonsense',
    does: 'answers 429, and asks to be tried again at a time that is none',
    status: 429,
    error: null,
    outcome: 'tried again',
    ...answers(`HTTP/1.1 429 Slow\r\nretry-after: ${'-9'.repeat(2_000)}\r\ncontent-length: 0\r\n\r\n`),
  },
];

const KEPT = `${OK}connection: keep-alive\r\nkeep-alive: timeout=600\r\ncontent-length: 0\r\n\r\n`;
const counted =
  'the request that met the closed connection is an attempt (`connection_closed`), tried again, never doubled unseen';
const kept: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'closes-idle',
    does: 'promises to keep the connection for ten minutes, and closes it after its first answer',
    ...success,
    note: counted,
    requested: (socket) => void socket.end(KEPT),
  },
  {
    name: 'resets-idle',
    does: 'the same with a reset, a moment after the answer',
    ...success,
    note: counted,
    requested(socket) {
      socket.write(KEPT);
      resetSoon(socket);
    },
  },
  {
    name: 'resets-second-begun',
    does: 'answers the first request of each connection, and resets it when the second begins to arrive',
    ...success,
    note: counted,
    begun(socket, number) {
      if (number > 1) socket.resetAndDestroy();
    },
    requested: (socket, { number }) => void (number === 1 && socket.write(KEPT)),
  },
  {
    name: 'eats-second',
    does: 'answers the first request of each connection; takes the second, and closes without an answer',
    ...success,
    note: counted,
    requested: (socket, { number }) => void (number === 1 ? socket.write(KEPT) : socket.end()),
  },
  {
    name: 'answers-twice',
    does: 'answers each request twice, with 200 and with 500',
    ...success,
    note: "the second answer is nobody's, and the connection is dropped",
    requested: (socket) => void socket.write(`${KEPT}HTTP/1.1 500 Not yours\r\ncontent-length: 0\r\n\r\n`),
  },
];

const inGroup = (group: Receiver['group'], receivers: readonly Omit<Receiver, 'group'>[]): Receiver[] =>
  receivers.map((each) => ({ ...each, group }));

export const plainReceivers: readonly Receiver[] = [
  ...inGroup('Silent and slow', silent),
  ...inGroup('Too much', tooMuch),
  ...inGroup('Broken off', brokenOff),
  ...inGroup('Wrong lengths', lengths),
  ...inGroup('No proper HTTP', notProper),
  ...inGroup('Sent elsewhere, and put off', elsewhere),
  ...inGroup('Kept connections', kept),
];
