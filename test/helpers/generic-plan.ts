import type pg from 'pg';

export interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'Recheck Cond'?: string;
  'Subplan Name'?: string;
  Filter?: string;
  'Join Filter'?: string;
  Plans?: Plan[];
}

/** The plan of a statement for whatever parameters it gets, which the client's session asks for. (`GENERIC_PLAN` came with 16.) */
export async function genericPlan(client: pg.Client, text: string): Promise<Plan> {
  try {
    await client.query(`PREPARE planned AS ${text}`);
    const { rows: prepared } = await client.query<{ count: number }>(
      "SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = 'planned'",
    );
    const values = Array.from({ length: prepared[0]?.count ?? 0 }, () => 'NULL').join(', ');
    const { rows } = await client.query(
      `EXPLAIN (FORMAT JSON) EXECUTE planned${values === '' ? '' : `(${values})`}`,
    );
    await client.query('DEALLOCATE planned');
    return rows[0]['QUERY PLAN'][0].Plan;
  } catch (error) {
    throw new Error(`There is no plan for ${text}`, { cause: error });
  }
}

/** It and all below. */
export function everyNode(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(everyNode)];
}
