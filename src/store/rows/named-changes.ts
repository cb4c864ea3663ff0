/** Without the fields that are there but undefined: those are not named. */
export function namedChanges<Changes extends object>(changes: Changes): Changes {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Changes;
}
