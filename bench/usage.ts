import { type ParseArgsConfig, parseArgs } from 'node:util';

const EXIT_USAGE = 2;

/** The flags of the command line. `--help` prints the usage and ends; so does a flag that is not known, with a reason and 2. */
export function flagsOf<const Config extends ParseArgsConfig>(
  config: Config,
  usage: string,
): ReturnType<typeof parseArgs<Config>>['values'] {
  if (process.argv.slice(2).some((each) => each === '--help' || each === '-h')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config).values;
  } catch (error) {
    // What follows the first sentence is about positional arguments, of which there are none.
    return refuse(String((error as Error).message).replace(/\. .*$/s, '.'), usage);
  }
}

export function refuse(problem: string, usage: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(EXIT_USAGE);
}
