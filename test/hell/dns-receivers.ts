import type { Receiver } from './receiver.ts';

const failed = { status: null, error: 'dns_failed', outcome: 'tried again', reads: false } as const;
const refused = { status: null, error: 'address_refused', outcome: 'tried again', reads: false } as const;
const HERE = '127.0.0.1';

const receivers: readonly Omit<Receiver, 'group'>[] = [
  {
    name: 'dns-missing',
    does: 'has a name that does not exist',
    ...failed,
    dns: [{ failure: 'no such name' }],
  },
  { name: 'dns-empty', does: 'has a name without an address', ...failed, dns: [{ addresses: [] }] },
  {
    name: 'dns-broken',
    does: 'has a name server that fails',
    ...failed,
    dns: [{ failure: 'server failure' }],
  },
  {
    name: 'dns-silent',
    does: 'has a name server that says nothing',
    ...failed,
    note: 'after 5 s at most; other names do not wait for it',
    dns: ['silence'],
  },
  {
    name: 'dns-private',
    does: 'has a private address (10.0.0.1)',
    ...refused,
    dns: [{ addresses: ['10.0.0.1'] }],
  },
  {
    name: 'dns-metadata',
    does: "has the address of a cloud's secrets (169.254.169.254)",
    ...refused,
    dns: [{ addresses: ['169.254.169.254'] }],
  },
  {
    name: 'dns-mapped',
    does: 'has a private address written as IPv6 (::ffff:a00:1)',
    ...refused,
    dns: [{ addresses: ['::ffff:a00:1'] }],
  },
  {
    name: 'dns-mixed',
    does: 'has a good address and a private one',
    ...refused,
    note: 'one bad address refuses the name',
    dns: [{ addresses: [HERE, '10.0.0.1'] }],
  },
  {
    name: 'dns-changes',
    does: 'has a good address when first asked, and a private one later',
    status: 500,
    error: null,
    later: { status: null, error: 'address_refused' },
    outcome: 'tried again',
    note: 'judged anew for each connection, and only what was judged is dialled',
    dns: [{ addresses: [HERE] }, { addresses: ['10.0.0.1'] }],
    requested: (socket) =>
      void socket.end('HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
  },
];

export const dnsReceivers: readonly Receiver[] = receivers.map((each) => ({ ...each, group: 'DNS' }));
