/** A problem that the person at the command line can solve. Its message is printed as it is, without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Exit code of wrong usage: a bad flag, setting or command. */
export const EXIT_USAGE = 2;
