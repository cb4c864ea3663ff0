/** The project's own scripts and tests may set these; the server does not read them. */
const FOR_SCRIPTS = /^POSTHORN_(TEST|BENCH)_/;
/** The server that `posthorn keys` calls. */
const FOR_COMMANDS = ['POSTHORN_URL'];
/** Docker and Kubernetes set these in every container beside a service that is called posthorn. */
const SERVICE_LINK = /^POSTHORN_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//;

/** What other servers call their address: no spelling mistake leads from these to the right name. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  POSTHORN_PORT: 'POSTHORN_LISTEN',
  POSTHORN_HOST: 'POSTHORN_LISTEN',
  POSTHORN_BIND: 'POSTHORN_LISTEN',
  POSTHORN_DATABASE_URL: 'POSTHORN_STORE',
};

/**
 * A sentence for each variable `POSTHORN_…` that is none of those that are known: a misspelt one would otherwise be a default in
 * silence.
 */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('POSTHORN_') && !known.includes(name))
    .filter((name) => !FOR_COMMANDS.includes(name))
    .filter((name) => !FOR_SCRIPTS.test(name) && !SERVICE_LINK.test(name))
    .filter((name) => !SERVICE_ADDRESS.test(env[name] ?? ''))
    .sort()
    .map(
      (name) => `${name} is not a setting. Write ${nearest(name, known)} if you meant that, or remove it.`,
    );
}

function nearest(name: string, known: readonly string[]): string {
  const byDistance = known.map((each) => ({ each, distance: editDistance(name, each) }));
  byDistance.sort((one, other) => one.distance - other.distance);
  return OTHER_NAMES[name] ?? byDistance[0]?.each ?? '';
}

/** Levenshtein's: how many characters to add, drop or change. */
function editDistance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const change = (above[column - 1] as number) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(change, (above[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    above = current;
  }
  return above[other.length] as number;
}
