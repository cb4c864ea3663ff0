import { EMPTY_OK, pour, type Receiver } from './receiver.ts';

const failed = { status: null, error: 'tls_failed', outcome: 'tried again', reads: false } as const;

const receivers: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'tls-good',
    does: 'has a certificate as it should be',
    status: 200,
    error: null,
    outcome: 'delivered',
    note: 'to show that the others fail by their own fault',
    tls: ({ served }) => served('good'),
    requested: (socket) => void socket.write(EMPTY_OK),
  },
  {
    name: 'tls-flood-of-hints',
    does: 'sends 103 as fast as it can, inside TLS',
    status: null,
    error: 'protocol_error',
    outcome: 'tried again',
    note: 'cut off after 256 KiB',
    tls: ({ served }) => served('good'),
    requested: (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  },
  {
    name: 'tls-expired',
    does: 'has a certificate that has expired',
    ...failed,
    tls: ({ served }) => served('expired'),
  },
  {
    name: 'tls-for-later',
    does: 'has a certificate that is not valid yet',
    ...failed,
    tls: ({ served }) => served('later'),
  },
  {
    name: 'tls-wrong-host',
    does: 'has a certificate for another host name',
    ...failed,
    tls: ({ served }) => served('wrong host'),
  },
  {
    name: 'tls-self-signed',
    does: 'has a certificate that it signed itself',
    ...failed,
    tls: ({ served }) => served('self-signed'),
  },
  {
    name: 'tls-unknown-authority',
    does: 'has a certificate of an authority that nobody knows',
    ...failed,
    tls: ({ served }) => served('unknown'),
  },
  {
    name: 'tls-too-old',
    does: 'speaks TLS 1.1 at most',
    ...failed,
    tls: ({ served }) => ({
      ...served('good'),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    }),
  },
  {
    name: 'tls-http2-only',
    does: 'speaks only HTTP/2 (ALPN `h2`)',
    ...failed,
    note: 'Posthorn speaks HTTP/1.1',
    tls: ({ served }) => ({ ...served('good'), ALPNProtocols: ['h2'] }),
  },
  {
    name: 'tls-hangs',
    does: 'never goes on with the handshake',
    status: null,
    error: 'timed_out',
    outcome: 'tried again',
    lasts: true,
    reads: false,
    scheme: 'https',
    connected: (socket) => void socket.resume(),
  },
  {
    name: 'tls-closes',
    does: 'closes the connection in the handshake',
    ...failed,
    scheme: 'https',
    connected: (socket) => void socket.once('data', () => socket.end()),
  },
  {
    name: 'tls-garbage',
    does: 'answers the handshake with plain HTTP',
    ...failed,
    scheme: 'https',
    connected: (socket) => void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  },
  {
    name: 'tls-expected',
    does: 'speaks TLS, though its URL says http',
    status: null,
    error: 'connection_closed',
    outcome: 'tried again',
    reads: false,
    scheme: 'http',
    tls: ({ served }) => served('good'),
  },
];

export const tlsReceivers: readonly Receiver[] = receivers.map((each) => ({ ...each, group: 'TLS' }));
