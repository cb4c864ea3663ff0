import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const DAY_MS = 86_400_000;

// The few bytes of DER that a certificate takes (RFC 5280), so that no test needs openssl.
function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...contents: Buffer[]) => der(0x30, ...contents);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const time = (at: number) =>
  der(0x18, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')}`, 'latin1'));
const name = (text: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(text)))));
const extension = (id: string, content: Buffer) => sequence(oid(id), der(0x04, content));

export interface Certificate {
  readonly pem: string;
  readonly key: KeyObject;
  readonly name: string;
}

/** A certificate for one host name, from yesterday until tomorrow, signed by its issuer or by itself. */
export function certificate(options: {
  host: string;
  /** Ms since the Unix epoch. */
  from?: number;
  to?: number;
  issuer?: Certificate;
  /** May issue others. */
  ca?: true;
}): Certificate {
  const { host, from = Date.now() - DAY_MS, to = Date.now() + DAY_MS, issuer, ca } = options;
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const extensions = ca
    ? extension('551d13', sequence(der(0x01, Buffer.from([0xff]))))
    : extension('551d11', sequence(der(0x82, Buffer.from(host))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ...Buffer.from(host).subarray(0, 8)])),
    algorithm,
    name(issuer?.name ?? host),
    sequence(time(from), time(to)),
    name(host),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extensions)),
  );
  const signature = sign('sha256', body, issuer?.key ?? key);
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const pem = `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`;
  return { pem, key, name: host };
}
