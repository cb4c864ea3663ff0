/**
 * What is done with the addresses of a range:
 * - `public`: dialled.
 * - `refused`: not dialled unless the operator allows it.
 * - `mapped`: is the IPv4 address in its last four bytes, for the operating system too.
 * - `translated`: a gateway sends it on to the IPv4 address in its last four bytes, so that is what is judged.
 */
export type RangeRule = 'public' | 'refused' | 'mapped' | 'translated';

export type RangeRow = readonly [
  range: string,
  rule: RangeRule,
  /** Reads after "a". */
  name: string,
  /** The RFC that sets the range apart, or who else does. */
  source: string,
];

/**
 * Every address is in a row, and the first row that holds it judges it; so what is special comes before what is around
 * it. The table in docs/reliability.md is held to this one by a test, and so are IANA's registries of special addresses.
 *
 * IPv4 is public but for what is named. Of IPv6 only 2000::/3 was ever given out, so everything else is refused, named
 * or not: `::/8` with the forms that carry an IPv4 address, and whatever will be defined one day.
 */
export const RANGE_ROWS: readonly RangeRow[] = [
  ['0.0.0.0/8', 'refused', 'network that means this host', 'RFC 791'],
  ['10.0.0.0/8', 'refused', 'private network', 'RFC 1918'],
  ['100.64.0.0/10', 'refused', 'carrier-grade NAT network', 'RFC 6598'],
  ['127.0.0.0/8', 'refused', 'loopback network', 'RFC 1122'],
  ['168.63.129.16/32', 'refused', 'cloud platform service', 'Microsoft Azure'],
  ['169.254.0.0/16', 'refused', 'link-local network', 'RFC 3927'],
  ['172.16.0.0/12', 'refused', 'private network', 'RFC 1918'],
  ['192.0.0.0/24', 'refused', 'network for protocol assignments', 'RFC 6890'],
  ['192.0.2.0/24', 'refused', 'documentation network', 'RFC 5737'],
  ['192.88.99.0/24', 'refused', 'retired 6to4 relay network', 'RFC 7526'],
  ['192.168.0.0/16', 'refused', 'private network', 'RFC 1918'],
  ['198.18.0.0/15', 'refused', 'benchmarking network', 'RFC 2544'],
  ['198.51.100.0/24', 'refused', 'documentation network', 'RFC 5737'],
  ['203.0.113.0/24', 'refused', 'documentation network', 'RFC 5737'],
  ['224.0.0.0/4', 'refused', 'multicast network', 'RFC 5771'],
  ['255.255.255.255/32', 'refused', 'broadcast address', 'RFC 919'],
  ['240.0.0.0/4', 'refused', 'reserved network', 'RFC 1112'],
  ['0.0.0.0/0', 'public', 'public network', 'RFC 791'],

  ['::/128', 'refused', 'network that means this host', 'RFC 4291'],
  ['::1/128', 'refused', 'loopback network', 'RFC 4291'],
  ['::/96', 'refused', 'retired IPv4-compatible network', 'RFC 4291'],
  ['::ffff:0:0/96', 'mapped', 'network of IPv4-mapped addresses', 'RFC 4291'],
  ['::ffff:0:0:0/96', 'refused', 'retired IPv4-translated network (SIIT)', 'RFC 2765'],
  ['64:ff9b::/96', 'translated', 'NAT64 network', 'RFC 6052'],
  ['64:ff9b:1::/48', 'refused', 'local NAT64 network', 'RFC 8215'],
  ['::/8', 'refused', 'reserved network', 'RFC 4291'],
  ['100::/64', 'refused', 'discard-only network', 'RFC 6666'],
  ['100:0:0:1::/64', 'refused', 'dummy network', 'RFC 9780'],
  ['::/3', 'refused', 'network outside the public internet', 'RFC 3587'],
  ['2001::/32', 'refused', 'Teredo network', 'RFC 4380'],
  ['2001::/23', 'refused', 'network for protocol assignments (benchmarking, ORCHID)', 'RFC 2928'],
  ['2001:db8::/32', 'refused', 'documentation network', 'RFC 3849'],
  ['2002::/16', 'refused', '6to4 network', 'RFC 3056'],
  ['3fff::/20', 'refused', 'documentation network', 'RFC 9637'],
  ['2000::/3', 'public', 'public network', 'RFC 3587'],
  ['5f00::/16', 'refused', 'segment routing network', 'RFC 9602'],
  ['4000::/2', 'refused', 'network outside the public internet', 'RFC 3587'],
  ['fc00::/7', 'refused', 'private network', 'RFC 4193'],
  ['fe80::/10', 'refused', 'link-local network', 'RFC 4291'],
  ['fec0::/10', 'refused', 'retired site-local network', 'RFC 3879'],
  ['ff00::/8', 'refused', 'multicast network', 'RFC 4291'],
  ['8000::/1', 'refused', 'network outside the public internet', 'RFC 3587'],
];
