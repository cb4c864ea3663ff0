const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** The wish of a person, or of the system, that a command ends before it is done. */
export interface Stopping {
  /** Asked between two transactions. */
  readonly asked: boolean;
  /** Of a process that ended so. */
  readonly exitCode: number;
  /** Signals end the process again. */
  end(): void;
}

/** From now on the first SIGINT or SIGTERM is a wish, told at once, and the second one ends the process. */
export function listenForStop(told: () => void = () => {}): Stopping {
  let asked: keyof typeof EXIT_CODES | null = null;
  const take = (signal: keyof typeof EXIT_CODES) => {
    if (asked !== null) process.exit(EXIT_CODES[signal]);
    asked = signal;
    told();
  };
  process.on('SIGINT', take);
  process.on('SIGTERM', take);
  return {
    get asked() {
      return asked !== null;
    },
    get exitCode() {
      return EXIT_CODES[asked ?? 'SIGINT'];
    },
    end() {
      process.removeListener('SIGINT', take);
      process.removeListener('SIGTERM', take);
    },
  };
}
