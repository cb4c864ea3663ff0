// Files, functions and folders stay small enough to be read in one go. A case that is better long says why, in a comment
// `// size: the reason`: for a file among its first lines, for a function right above it or on its first line.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const MAX_FILE_LINES = 600;
const MAX_FUNCTION_LINES = 70;
const MAX_DEPTH_BELOW_SRC = 3;
const EXCEPTION_LINES = 10;

const root = join(import.meta.dirname, '..');
const folders = ['src', 'test', 'bench', 'scripts', 'bin', 'console'];
const sourceFile = /\.(ts|tsx|mts|js|mjs|cjs)$/;
const exception = /\bsize: \S/;
const problems: string[] = [];
let checked = 0;

for (const folder of folders) {
  for (const path of filesBelow(folder)) {
    checked += 1;
    const text = readFileSync(join(root, path), 'utf8');
    checkFile(path, text);
    if (/^(src|console\/src)\//.test(path)) {
      checkDepth(path);
      if (!path.endsWith('.test.ts')) checkFunctions(path, text);
    }
  }
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${checked} files are within the limits`);

function filesBelow(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && sourceFile.test(entry.name))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .filter((path) => !/node_modules\/|^console\/dist\/|schema\.d\.ts$/.test(path))
    .sort();
}

function checkFile(path: string, text: string): void {
  const lines = text.trimEnd().split('\n');
  if (lines.length <= MAX_FILE_LINES) return;
  if (lines.slice(0, EXCEPTION_LINES).some((line) => exception.test(line))) return;
  problems.push(`${path}: ${lines.length} lines; at most ${MAX_FILE_LINES}`);
}

function checkDepth(path: string): void {
  const depth = path.replace(/^console\//, '').split('/').length - 2;
  if (depth <= MAX_DEPTH_BELOW_SRC) return;
  problems.push(`${path}: ${depth} folders below src; at most ${MAX_DEPTH_BELOW_SRC}`);
}

function checkFunctions(path: string, text: string): void {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number) => tree.getLineAndCharacterOfPosition(position).line;

  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const first = lineOf(node.getStart(tree));
      const count = lineOf(node.getEnd()) - first + 1;
      if (count > MAX_FUNCTION_LINES && !isExcepted(node, first)) {
        problems.push(
          `${path}:${first + 1}: ${nameOf(node)} has ${count} lines; at most ${MAX_FUNCTION_LINES}`,
        );
      }
    }
    ts.forEachChild(node, visit);
  };

  const lines = text.split('\n');
  const isExcepted = (node: ts.Node, first: number): boolean => {
    if (exception.test(lines[first] ?? '')) return true;
    // The comment above `const handler = () => …` belongs to the statement, which starts on the same line.
    for (
      let each = node;
      each && lineOf(each.getStart(tree)) === first && !ts.isSourceFile(each);
      each = each.parent
    ) {
      if (exception.test(text.slice(each.getFullStart(), each.getStart(tree)))) return true;
    }
    return false;
  };

  visit(tree);
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText();
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const parent = node.parent;
  if ((ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) && parent.name)
    return parent.name.getText();
  return 'a function';
}
