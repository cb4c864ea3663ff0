/** A word as a POSIX shell reads it back. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** Sent as a bearer token. */
  readonly key?: string;
  readonly body?: string;
}

/** The call as a curl command that can be pasted into a shell. */
export function curl({ method, url, key, body }: Call): string {
  const words = ['curl'];
  if (method !== (body === undefined ? 'GET' : 'POST')) words.push('-X', method);
  words.push(quote(url));
  if (key !== undefined) words.push('-H', quote(`Authorization: Bearer ${key}`));
  if (body !== undefined) words.push('-d', quote(body));
  return words.join(' ');
}

/** The URL as it can be dialled from this machine: "every address" is none that all systems can dial. */
export function dialled(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
