import { pause } from './clock.ts';
import { Connection } from './connection.ts';
import { largeStore } from './filled-store.ts';
import { publishing, steady, steadyFigures } from './latency.ts';
import { SEARCH_IN_VAIN } from './list-calls.ts';
import { walk } from './list-walk.ts';
import { median, type Row, type Workbench } from './row.ts';
import { withServer } from './server-process.ts';

const WARM_UP_SECONDS = 0.5;
/**
 * The search begins after the publisher's connections are open. While it runs they are accepted one in each turn of the
 * server's event loop: opening 32 at once takes 32 steps of the search, and would be all that p99 shows of a short run.
 */
const CONNECTIONS_OPEN_MS = 200;
const EVERYTHING = Number.POSITIVE_INFINITY;

export const searching: Row = {
  id: 'g2',
  title: 'publishing while a search runs',
  meaning:
    'publishing as in (e), to the large store of (g), while somebody searches its payloads from end to end for what none has, ' +
    'again and again',
  unit: 'ms',
  beside: 'without the search',
  target: 'to received: p99 <= 25 ms',
  meets: (lines) => median(lines, 'to received p99', 'value') <= 25,
  longestSeconds: 300,
  measure,
};

async function measure(bench: Workbench): ReturnType<Row['measure']> {
  const { folder } = await largeStore(bench);
  const seconds = bench.quick ? 1 : 10;
  return withServer(
    async ({ url }) => {
      const publish = publishing(bench, url);
      await steady(bench, publish, WARM_UP_SECONDS);
      const before = await steady(bench, publish, seconds / 2);
      const connection = await Connection.open(url);
      let calls = 0;
      let wanted = true;
      const search = async () => {
        await pause(CONNECTIONS_OPEN_MS);
        while (wanted) calls += (await walk(connection, SEARCH_IN_VAIN, EVERYTHING)).callsMs.length;
      };
      const published = steady(bench, publish, seconds).finally(() => {
        wanted = false;
      });
      const [during] = await Promise.all([published, search()]);
      connection.close();
      const after = await steady(bench, publish, seconds / 2);
      return { figures: steadyFigures(during, before, after), notes: { 'search calls meanwhile': calls } };
    },
    { folder },
  );
}
