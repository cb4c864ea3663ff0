import { KEY_CHARACTERS_LEAST, KEY_CHARACTERS_MOST, type Setting, settingList } from '../settings.ts';

/** The flags of `serve` and `dev`, with their help. */
export function settingOptions(): { flag: string; flags: string; description: string }[] {
  return settingList.map((setting) => ({
    flag: setting.flag,
    flags: `${setting.flag} <${setting.form}>`,
    description: `${setting.doc} (${setting.env}; ${fallback(setting, (value) => value)})`,
  }));
}

/** docs/settings.md. */
export function settingsMarkdown(): string {
  const lines = settingList.map((setting) => {
    const shown = fallback(setting, (value) => `\`${value}\``).replace(/^default /, '');
    return `| \`${setting.env}\` | \`${setting.flag}\` | ${shown} | ${setting.doc} |`;
  });
  return `<!-- Made from src/settings.ts by npm run docs. -->
# Settings

Each setting is an environment variable and a flag of \`posthorn serve\` and \`posthorn dev\`; the flag wins. Settings are read
once, at the start. Posthorn does not start with a value that it can't use: it lists every problem and exits with code 2.

| variable | flag | default | meaning |
| --- | --- | --- | --- |
${lines.join('\n')}

- A **duration** is a number and a unit: \`250ms\`, \`5s\`, \`1.5h\`, \`2d\`.
- A **variable set to nothing** counts as not set. A \`POSTHORN_*\` variable that is not in this table is an error, so that a
  misspelt one does not go unnoticed. \`POSTHORN_URL\` is for \`posthorn keys\`: the server that it calls.
- **Keys**: prefer variables to flags for them, as every user of the machine can read the flags of a running process. A key
  or token has ${KEY_CHARACTERS_LEAST} to ${KEY_CHARACTERS_MOST} ASCII characters without white space. Changing one and starting again replaces it: the old
  one stops working. More keys, their limits, rotation, and what to do when all are lost: [keys.md](keys.md). The master key
  must stay the same, or the signing secrets can't be opened: back up \`master.key\` with the data, or keep the value of
  \`POSTHORN_MASTER_KEY\`.
- **Development** is \`npm start\` or \`posthorn dev\`: web hooks may point to this machine, and the generated keys are kept
  readable in \`development-keys.json\` in the data folder, so that each start can print them. Use \`posthorn serve\` for all
  else.
`;
}

function fallback(setting: Setting<unknown>, mark: (value: string) => string): string {
  if (setting.default === null) return setting.absent ?? '';
  const development = setting.developmentDefault
    ? `, in development ${mark(setting.developmentDefault)}`
    : '';
  return `default ${mark(setting.default)}${development}`;
}
