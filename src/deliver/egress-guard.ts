import { isIP, type LookupFunction, type Socket } from 'node:net';
import { createSecureContext, rootCertificates, type TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { inNetworks, judgeAddress, type Networks, refusalSentence } from '../model/address.ts';
import { connectFailure, ExchangeFailure, type Peer } from './exchange-failure.ts';
import type { ResolvedAddress } from './hosts-file.ts';
import { isLocalhost, type Resolver } from './resolver.ts';

export interface EgressGuardOptions {
  readonly allow: Networks;
  readonly resolver: Resolver;
  /** PEM certificates of authorities trusted beside the public ones. */
  readonly ca?: readonly string[];
  /** Makes the connector that dials; the tests watch through it what would be dialled. */
  readonly build?: typeof buildConnector;
}

/** Dials for one undici client. Gives the socket at once, so that a deadline can end a connect under way. */
export type GuardedConnect = (
  options: buildConnector.Options,
  callback: buildConnector.Callback,
) => Socket | null;

/** How long one address may take before the next is tried beside it (RFC 8305). */
const NEXT_ADDRESS_MS = 250;
const TLS_SESSIONS_KEPT = 1_000;
/**
 * Addresses of one family that one connect may try. An answer of DNS can hold thousands, and to dial them all in turn
 * would make us a scanner of ports for whoever owns the name.
 */
const ADDRESSES_PER_FAMILY = 8;

/**
 * The control against requests into inner networks (SSRF): a literal address is judged before it is dialled, and a
 * name by every address that it has right now, in the lookup of the very connection. So what is dialled was vetted,
 * whatever DNS says a moment later. Certificates are still checked against the name.
 */
export function createEgressGuard(options: EgressGuardOptions): GuardedConnect {
  const { allow, resolver, ca, build = buildConnector } = options;
  const secureContext =
    ca === undefined
      ? undefined
      : createSecureContext({ ca: [...rootCertificates, ...ca], minVersion: 'TLSv1.2' });
  const connect = build({
    lookup: guardedLookup(resolver, allow),
    // No time-out here: the exchange's own deadline destroys the socket, and to the millisecond.
    timeout: 0,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    maxCachedSessions: TLS_SESSIONS_KEPT,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(secureContext === undefined ? {} : { secureContext }),
  });

  return function guardedConnect({ hostname, host, protocol, port, servername }, callback) {
    const secure = protocol === 'https:';
    const peer: Peer = { host: hostname, authority: authorityOf(hostname, port, secure), secure };
    const refusal = isIP(hostname) === 0 ? null : refuse(hostname, allow);
    if (refusal !== null) {
      // Not in this turn: undici's client expects its connector to answer later.
      queueMicrotask(() => callback(refusal, null));
      return null;
    }
    let certificateEnd: string | null = null;
    // Only what dialling needs is passed on; above all never a `socketPath`.
    const dialled = connect(
      { hostname, protocol, port, ...(host && { host }), ...(servername && { servername }) },
      (...[error, socket]) => {
        if (error !== null) callback(connectFailure(error, peer, certificateEnd), null);
        else callback(null, socket);
      },
    );
    // undici's types promise no socket, though every version returns it; without one the connect just can't be cut short.
    const socket = (dialled as unknown as Socket | undefined) ?? null;
    // `valid_to` is gone once the certificate was refused, so it is read as soon as the handshake is over.
    if (secure)
      socket?.prependOnceListener('secure', () => {
        certificateEnd = expiredAt(socket as TLSSocket);
      });
    return socket;
  };
}

/** A `lookup` for `net.connect` that gives only vetted addresses, in the form it is asked for. */
export function guardedLookup(resolver: Resolver, allow: Networks): LookupFunction {
  return (hostname, options, callback) => {
    vetted(resolver, allow, hostname).then(
      (all) => {
        const wanted =
          options.family === 4 || options.family === 'IPv4'
            ? 4
            : options.family === 6 || options.family === 'IPv6'
              ? 6
              : 0;
        const fitting = firstOfEach(wanted === 0 ? all : all.filter(({ family }) => family === wanted));
        const first = fitting[0];
        if (first === undefined) {
          callback(
            new ExchangeFailure('dns_failed', `The name ${hostname} has no IPv${wanted} address.`),
            '',
            0,
          );
        } else if (options.all) callback(null, fitting);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

/** The addresses of a name, all of which may be dialled. One that may not refuses the name: it has no business there. */
async function vetted(
  resolver: Resolver,
  allow: Networks,
  hostname: string,
): Promise<readonly ResolvedAddress[]> {
  const found = await resolver.resolve(hostname);
  // Both loopback addresses of localhost are our own answer, so allowing one of them is enough.
  if (isLocalhost(hostname.replace(/\.$/, ''))) {
    const allowed = found.filter(({ address }) => inNetworks(address, allow));
    if (allowed.length > 0) return allowed;
  }
  for (const { address } of found) {
    const refusal = refuse(address, allow, hostname);
    if (refusal !== null) throw refusal;
  }
  if (found.length === 0) throw new ExchangeFailure('dns_failed', `The name ${hostname} has no address.`);
  return found;
}

function firstOfEach(all: readonly ResolvedAddress[]): ResolvedAddress[] {
  const left = { 4: ADDRESSES_PER_FAMILY, 6: ADDRESSES_PER_FAMILY };
  return all.filter(({ family }) => left[family]-- > 0);
}

function refuse(address: string, allow: Networks, name?: string): ExchangeFailure | null {
  const verdict = judgeAddress(address, allow);
  if (verdict.allowed) return null;
  const sentence = refusalSentence(address, verdict);
  return new ExchangeFailure(
    'address_refused',
    name === undefined ? sentence : `${name} points inside: ${sentence}`,
  );
}

export function authorityOf(hostname: string, port: string, secure: boolean): string {
  const shown = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
  return `${shown}:${port || (secure ? '443' : '80')}`;
}

function expiredAt(socket: TLSSocket): string | null {
  return socket.getPeerCertificate()?.valid_to ?? null;
}
