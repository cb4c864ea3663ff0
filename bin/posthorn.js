#!/usr/bin/env node
// Only syntax that every Node.js parses, and no import before the check: an old one gets an explanation, not a SyntaxError.

var minimum = [22, 18];
var version = process.versions.node.split('.').map(Number);

if (version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1])) {
  process.stderr.write(
    'Posthorn needs Node.js ' +
      minimum.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      '.\nInstall a newer Node.js, or run Posthorn with one for the moment: npx -p node@26 -p posthorn posthorn\n',
  );
  process.exit(1);
}

void import('./load.js');
