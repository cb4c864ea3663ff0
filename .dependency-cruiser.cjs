// Which part may import which. `npm run check:imports` reports every import that breaks a rule.
//
//   cli, app.ts ──> everything (they wire)
//   engine.ts ──> rooms, model, the port (it wires the rooms, in the simulator too)
//   http ──> rooms (types only)
//   rooms ──> model, store/store.ts (the port), limits, errors, settings (types)
//   store/store.ts ──> store/port, model
//   store/<driver> ──> store/rows and what else is of both drivers, model, store/store.ts, store/transfer.ts, limits
//   store/rows ──> model, store/store.ts (no driver)
//   store/open.ts ──> the drivers, settings (types)
//   model ──> nothing that does I/O
//   console/src: pages ──> frame, parts, api, words; frame ──> parts, api, words; parts ──> frame, words (no page)
//
// Tests beside their source may import what they test it with.

const ROOMS = 'accept|fanout|schedule|deliver|record|registry|query|upkeep|nodes';
const TEST = '[.]test[.]ts$';
/** The program of a worker thread. */
const WORKER = '^src/([^/]+)/[^/]+-worker[.]ts$';
/** The Node.js modules that pure code may use. */
const PURE_NODE = '^(node:)?(crypto|util|buffer|assert)$';

/** An external package, wherever npm puts it. */
const npm = (name) => `(^|/)node_modules/${name}/`;

/** Files matching `from` import nothing in src but what `to` lists. */
const only = (name, from, to, comment, ...except) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: [TEST, ...except] },
  to: { path: '^src/', pathNot: to },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'A file that nothing imports is dead, or was forgotten in the wiring.',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: [TEST, '[.]d[.]ts$'] },
      to: {},
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'source-stands-alone',
      comment: 'The source never imports tests, benchmarks or scripts.',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { path: ['^(test|bench|scripts|bin)/', TEST] },
    },
    {
      name: 'declared-packages',
      comment: 'What the published package imports is in its dependencies.',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    only(
      'model-is-pure',
      '^src/model/',
      ['^src/model/', '^src/limits[.]ts$'],
      'Nouns and pure rules depend on nothing else.',
    ),
    {
      name: 'model-does-no-io',
      severity: 'error',
      from: { path: '^src/model/', pathNot: TEST },
      to: { dependencyTypes: ['core'], pathNot: PURE_NODE },
    },
    {
      name: 'model-uses-no-io-package',
      severity: 'error',
      from: { path: '^src/model/', pathNot: TEST },
      to: {
        path: ['undici', 'better-sqlite3', 'fastify', '@fastify/[^/]+', 'pino', 'postgres', 'pg'].map(npm),
      },
    },
    only(
      'rooms-are-apart',
      `^src/(${ROOMS})/`,
      [
        '^src/$1/',
        '^src/model/',
        '^src/store/store[.]ts$',
        '^src/(limits|errors|settings)[.]ts$',
        // Judged by accept-runs-fanout below.
        '^src/fanout/',
      ],
      'A room works on the model and the store; only engine.ts and app.ts connect rooms.',
      WORKER,
    ),
    only(
      'workers-wire-themselves',
      WORKER,
      ['^src/$1/', '^src/(model|system)/', '^src/limits[.]ts$'],
      'No clock crosses to another thread, so the program of a thread takes its own.',
    ),
    {
      name: 'accept-runs-fanout',
      comment: 'Fan-out runs inside the transaction of accept; no other room calls it.',
      severity: 'error',
      from: { path: `^src/(${ROOMS})/`, pathNot: ['^src/(accept|fanout)/', TEST] },
      to: { path: '^src/fanout/' },
    },
    only(
      'http-imports',
      '^src/http/',
      [
        '^src/(http|model)/',
        '^src/(limits|errors|settings)[.]ts$',
        // Judged by http-knows-rooms-by-type below.
        `^src/(${ROOMS})/`,
      ],
      'Routes reach the store only through a room.',
    ),
    {
      name: 'http-knows-rooms-by-type',
      comment: 'Routes are given the services of the rooms; `import type` names them.',
      severity: 'error',
      from: { path: '^src/http/', pathNot: TEST },
      to: { path: `^src/(${ROOMS})/`, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'settings-by-type',
      comment: 'app.ts passes each room the settings that it needs.',
      severity: 'error',
      from: { path: `^src/(http|${ROOMS})/`, pathNot: TEST },
      to: { path: '^src/settings[.]ts$', dependencyTypesNot: ['type-only'] },
    },
    only(
      'store-port',
      '^src/store/([^/]+$|port/)',
      ['^src/store/([^/]+$|port/|rows/)', '^src/model/', '^src/limits[.]ts$'],
      'The port speaks in nouns of the model.',
      '^src/store/open[.]ts$',
    ),
    only(
      'store-opens-drivers',
      '^src/store/open[.]ts$',
      ['^src/store/', '^src/model/', '^src/settings[.]ts$'],
      'It knows which driver the settings mean, and nothing else does.',
    ),
    only(
      'store-drivers',
      '^src/store/([^/]+)/',
      [
        '^src/store/($1|rows)/',
        '^src/store/(store|gathered|line|task-walk|transfer|transfer-tables)[.]ts$',
        '^src/model/',
        '^src/limits[.]ts$',
      ],
      'A driver fulfils the port, knows no rules, and knows no other driver.',
      '^src/store/(port|rows)/',
    ),
    only(
      'store-rows',
      '^src/store/rows/',
      ['^src/store/rows/', '^src/store/store[.]ts$', '^src/model/'],
      'What a row is in both drivers, and which noun it makes: nothing of one driver alone.',
    ),
    only(
      'system-adapters',
      '^src/system/',
      ['^src/(system|model)/', '^src/limits[.]ts$'],
      'The adapters of time, chance and network fulfil ports of the model.',
    ),
    only('catalogue-is-data', '^src/catalogue/', ['^src/(catalogue|model)/'], 'The catalogue is data.'),
    only(
      'engine-runs-anywhere',
      '^src/engine[.]ts$',
      [`^src/(${ROOMS}|model)/`, '^src/store/store[.]ts$', '^src/(limits|errors)[.]ts$'],
      'The simulator runs the engine with its own clock, network and store.',
    ),
    only(
      'library-stands-alone',
      '^src/(library/|index[.]ts$)',
      ['^src/library/', '^src/store/postgres/publish-call[.]ts$'],
      'Publishers load it into programs of their own: it brings nothing along.',
    ),
    {
      name: 'library-needs-no-package',
      severity: 'error',
      from: { path: '^src/(library/|index[.]ts$)', pathNot: TEST },
      to: { path: '(^|/)node_modules/' },
    },
    {
      name: 'only-app-and-cli-wire',
      severity: 'error',
      from: { path: '^src/[^/]+[.]ts$', pathNot: ['^src/(app|engine|index)[.]ts$', TEST] },
      to: { path: `^src/((http|${ROOMS}|cli|system|store/[^/]+)/|(app|engine)[.]ts$)` },
    },
    {
      name: 'only-cli-starts-the-app',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', '^src/index[.]ts$', TEST] },
      to: { path: ['^src/cli/', '^src/app[.]ts$'] },
    },
    {
      name: 'sqlite-in-the-store',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/store/', TEST] },
      to: { path: npm('better-sqlite3') },
    },
    {
      name: 'undici-in-deliver',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/deliver/', TEST] },
      to: { path: npm('undici') },
    },
    {
      name: 'console-knows-the-server-by-type',
      comment:
        'What the console calls is described by openapi.json, and by the types of its own few answers.',
      severity: 'error',
      from: { path: '^console/src/' },
      to: { path: '^src/', pathNot: '^src/http/console/[^/]+-out[.]ts$' },
    },
    {
      name: 'console-takes-types-only',
      severity: 'error',
      from: { path: '^console/src/' },
      to: { path: '^src/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'server-without-console',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^console/' },
    },
    {
      name: 'pages-are-leaves',
      comment:
        'Only routes.tsx knows the pages, each loaded when it is gone to; what pages share is in parts or frame.',
      severity: 'error',
      from: { path: '^console/src/', pathNot: '^console/src/(pages/|routes[.]tsx$)' },
      to: { path: '^console/src/pages/' },
    },
    {
      name: 'words-are-pure',
      severity: 'error',
      from: { path: '^console/src/words/' },
      to: { path: '^console/src/', pathNot: '^console/src/words/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'fastify-in-http',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/http/', TEST] },
      to: { path: [npm('fastify'), npm('@fastify/[^/]+')] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    // "specify" follows type-only imports too and tells them apart.
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
