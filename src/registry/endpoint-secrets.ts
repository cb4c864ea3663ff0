import { ApiError } from '../errors.ts';
import { SECRETS_ROTATED_OUT } from '../limits.ts';
import type { Random } from '../model/clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { SigningSecret } from '../model/exchange.ts';
import { type MasterKey, seal, unseal } from '../model/sealed.ts';
import type { RegisteredEndpoint } from './registered-application.ts';

type Headers = Readonly<Record<string, string>>;

/** Seals what an endpoint keeps to itself, and opens it: its signing secrets and its headers. */
export class EndpointSecrets {
  readonly #masterKey: MasterKey;
  readonly #random: Random;

  constructor(masterKey: MasterKey, random: Random) {
    this.#masterKey = masterKey;
    this.#random = random;
  }

  open(endpoint: Endpoint): RegisteredEndpoint {
    const { id, applicationKey, href, sealedSecret, sealedHeaders, secretExpiries } = endpoint;
    const texts = JSON.parse(unseal(this.#masterKey, id, sealedSecret)) as string[];
    const secrets = texts.map((text, index) => ({
      text,
      until: index === 0 ? null : (secretExpiries[index - 1] ?? 0),
    }));
    const headers =
      sealedHeaders === null
        ? {}
        : (JSON.parse(unseal(this.#masterKey, placeOfHeaders(id), sealedHeaders)) as Headers);
    return { endpoint, target: { applicationKey, href, headers, secrets } };
  }

  /** @param secrets the current one first */
  sealSecrets(
    endpointId: string,
    secrets: readonly SigningSecret[],
  ): Pick<Endpoint, 'sealedSecret' | 'secretExpiries'> {
    const texts = JSON.stringify(secrets.map(({ text }) => text));
    return {
      sealedSecret: seal(this.#masterKey, endpointId, texts, this.#random),
      secretExpiries: secrets.slice(1).map(({ until }) => until ?? 0),
    };
  }

  sealHeaders(endpointId: string, headers: Headers): Pick<Endpoint, 'sealedHeaders'> {
    if (Object.keys(headers).length === 0) return { sealedHeaders: null };
    const text = JSON.stringify(headers);
    return { sealedHeaders: seal(this.#masterKey, placeOfHeaders(endpointId), text, this.#random) };
  }
}

function placeOfHeaders(endpointId: string): string {
  return `${endpointId} headers`;
}

/**
 * An endpoint's secrets after a rotation: `next`, then those that sign for a while yet, newest first. What has expired
 * goes. Throws `limit_reached`.
 */
export function rotated(
  secrets: readonly SigningSecret[],
  next: string,
  { now, graceMs }: { now: number; graceMs: number },
): SigningSecret[] {
  const old = secrets
    .map(({ text, until }) => ({ text, until: until ?? now + graceMs }))
    .filter(({ text, until }) => until > now && text !== next);
  if (old.length > SECRETS_ROTATED_OUT) {
    throw new ApiError(
      'limit_reached',
      `An endpoint has at most ${SECRETS_ROTATED_OUT} secrets that were rotated out and have not expired.`,
    );
  }
  return [{ text: next, until: null }, ...old];
}
