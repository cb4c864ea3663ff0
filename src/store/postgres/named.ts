import { type Statement, statement, type Value } from './connection.ts';

/** A statement whose values have names, for texts that are put together from parts. */
export interface NamedStatement {
  readonly statement: Statement;
  /** The values in the order of their places. One that is not given is a mistake. */
  values(params: Readonly<Record<string, Value>>): Value[];
}

/** `@name` stands for a value; the first of each name has its type: `@limit::bigint`. */
export function named(text: string): NamedStatement {
  const names: string[] = [];
  const numbered = text.replace(/@(\w+)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return {
    statement: statement(numbered),
    values: (params) =>
      names.map((name) => {
        const value = params[name];
        if (value === undefined) throw new Error(`The statement has a value ${name}, which is not given.`);
        return value;
      }),
  };
}
