import { readFile, stat } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import type { Clock } from '../model/clock.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** The system's own table of names, which c-ares' queries pass by. */
export interface HostsFile {
  /** The addresses of a lower-case name, or null when the file has none. */
  addresses(name: string): Promise<readonly ResolvedAddress[] | null>;
}

const LOOK_EVERY_MS = 5_000;
const SYSTEM_PATH =
  process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';

/** Reads the file when first asked, and again when it has changed; looks for changes at most every 5 s. */
export function createHostsFile(options: { readonly clock: Clock; readonly path?: string }): HostsFile {
  const { clock, path = SYSTEM_PATH } = options;
  let names: ReadonlyMap<string, readonly ResolvedAddress[]> = new Map();
  let version = '';
  let lookAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;

  async function look(): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const seen = `${mtimeMs} ${size} ${ino}`;
      if (seen !== version) {
        names = parseHosts(await readFile(path, 'utf8'));
        version = seen;
      }
    } catch {
      // No file is an empty file: DNS answers then.
      names = new Map();
      version = '';
    }
    lookAt = clock.monotonic() + LOOK_EVERY_MS;
    looking = null;
  }

  return {
    async addresses(name) {
      if (clock.monotonic() >= lookAt) {
        looking ??= look();
        await looking;
      }
      return names.get(name) ?? null;
    },
  };
}

/** `address name alias… # comment` a line (hosts(5)); lines that are none are passed over. */
export function parseHosts(text: string): Map<string, ResolvedAddress[]> {
  const names = new Map<string, ResolvedAddress[]>();
  for (const line of text.split('\n')) {
    const [address, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (address === undefined || address === '') continue;
    const family = isIPv4(address) ? 4 : isIPv6(address) ? 6 : null;
    if (family === null) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase().replace(/\.$/, '');
      const known = names.get(name);
      if (known === undefined) names.set(name, [{ address, family }]);
      else if (!known.some((each) => each.address === address)) known.push({ address, family });
    }
  }
  return names;
}
