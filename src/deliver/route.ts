import type { HeaderLines, Target } from '../model/exchange.ts';
import { authorityOf } from './egress-guard.ts';
import { ExchangeFailure, type Peer } from './exchange-failure.ts';
import { type OwnHeaders, ownHeaders } from './request-headers.ts';

/** What of a target stays the same over its jobs. */
export interface Route {
  /** Connections are shared within one application and origin, never across applications. */
  readonly poolKey: string;
  readonly origin: string;
  readonly path: string;
  readonly peer: Peer;
  readonly own: OwnHeaders;
  /** The header `host`, for the record. */
  readonly hostLines: HeaderLines;
}

/** URL and headers were checked when they were set; here the same is made sure of for what the store gave back. */
export function routeTo(target: Target): Route | ExchangeFailure {
  const url = URL.parse(target.href);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '') {
    return new ExchangeFailure('request_invalid', 'The endpoint has no valid http or https URL.');
  }
  if (url.username !== '' || url.password !== '') {
    return new ExchangeFailure(
      'request_invalid',
      'The URL of the endpoint carries credentials; use a header for them.',
    );
  }
  const own = ownHeaders(target.headers);
  if ('problem' in own) return new ExchangeFailure('request_invalid', own.problem);
  const secure = url.protocol === 'https:';
  return {
    poolKey: `${target.applicationKey} ${url.origin}`,
    origin: url.origin,
    path: url.pathname + url.search,
    peer: { host: url.hostname, authority: authorityOf(url.hostname, url.port, secure), secure },
    own,
    hostLines: `host\n${url.host}`,
  };
}
