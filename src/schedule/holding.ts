/** `silent`: the last requests got no answer, or the breaker is open. `new`: nothing is known yet. */
export type Standing = 'answering' | 'new' | 'silent';

/** Deliveries in memory, and the characters of their payloads. */
export interface Amount {
  deliveries: number;
  characters: number;
}

/** What one application has of what all applications share. */
export interface Holding {
  /** Null: of lanes whose application is not known yet. */
  readonly applicationKey: number | null;
  lanes: number;
  readonly silent: Amount;
  readonly lively: Amount;
  /** Of throttled lanes; it is counted above as well. */
  readonly throttled: Amount;
  /** Requests under way. */
  readonly places: Record<Standing, number>;
}

/** The holdings of all applications that have lanes. */
export class Holdings {
  /** Lanes that do not know their application yet are held together to the part of one. */
  readonly unknown = emptyHolding(null);
  readonly #holdings = new Map<number, Holding>();

  /** For one more lane. */
  join(applicationKey: number): Holding {
    let holding = this.#holdings.get(applicationKey);
    if (holding === undefined) {
      holding = emptyHolding(applicationKey);
      this.#holdings.set(applicationKey, holding);
    }
    holding.lanes++;
    return holding;
  }

  leave(holding: Holding): void {
    if (holding.applicationKey !== null && --holding.lanes === 0)
      this.#holdings.delete(holding.applicationKey);
  }
}

function emptyHolding(applicationKey: number | null): Holding {
  const none = () => ({ deliveries: 0, characters: 0 });
  return {
    applicationKey,
    lanes: 0,
    silent: none(),
    lively: none(),
    throttled: none(),
    places: { answering: 0, new: 0, silent: 0 },
  };
}
