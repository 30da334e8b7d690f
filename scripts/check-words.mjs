// Refuses names that are exported twice, and phrases and identifiers that the glossary replaced.
// Usage: node scripts/check-words.mjs [FOLDER]; the folder is the repository by default.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

const root = process.argv[2] ?? new URL('..', import.meta.url).pathname;

/** Old phrase or identifier → what replaces it. Ordinary words are not listed: `peer` is right for flannel and WireGuard. */
export const GLOSSARY = [
  [/\bunderlays?\b/i, 'backend'],
  [/\bvouch(es|ed)?\b/i, 'valid, self-check'],
  [/\bsecond opinion\b/i, 'cross-check'],
  [/\brehears\w*/i, 'warm up'],
  [/\bcannot (tell|say)\b/i, 'did not report, limitations'],
  [/\bput(s)? (it |them |the machine |everything )?back\b/i, 'restore'],
  [/\blone guest\b/i, 'single guest'],
  [/\bfar (host|end|side)\b/i, 'remote host'],
  [/\bown lateness\b/i, 'scheduling delay'],
  [/\bspun (away|time)\b/i, 'busy-polled'],
  [/\bst(an|oo)ds? still\b/i, 'stall'],
  [/\bat once be had\b|\bcould be had\b/i, 'obtain'],
  [/\bleave (it|them|--\w+) away\b/i, 'omit'],
  [/\binstructions? (of )?a request\b/i, 'instructions per request'],
  [/\bpath lengths?\b/i, 'instructions per request'],
  [/\braises? (a|the|each|every) network/i, 'set up'],
  [
    /\b(AnswerParser|RepeatedAnswer|Underlay|LoneGuest|FarHost|RaisedNetwork|TrialRecord|PlannedTrial)\b/,
    'the new name',
  ],
  [
    /\b(ownLateness\w*|spunSeconds|cannotTell|cannotSay|takeEntries|mendJournal|asOne|withoutFigures)\b/,
    'the new name',
  ],
  [/\b(crew|loneGuest|farHost|standpoint|takeOutInvented|certificateOf|PeerCertificate)\b/, 'the new name'],
];

/** Files whose text is checked: sources, tests, scripts and documents of this repository. */
function textFiles(folder) {
  return readdirSync(folder).flatMap((name) => {
    if (['node_modules', 'dist', 'results', '.git', 'package-lock.json', 'LICENSE'].includes(name)) return [];
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return textFiles(path);
    return /\.(ts|mjs|js|md|json)$/.test(name) && !/check-words\.mjs$|lint\/scripts\.test\.ts$/.test(path)
      ? [path]
      : [];
  });
}

/** `FILE:LINE: "phrase": use REPLACEMENT`. */
export function findPhrases(path, text) {
  return text.split('\n').flatMap((line, index) =>
    GLOSSARY.flatMap(([pattern, replacement]) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${path}:${index + 1}: "${found[0]}": use ${replacement}`];
    }),
  );
}

/** Exported types, functions, classes and constants that several files declare. */
export function findDuplicateExports(files) {
  const declared = new Map();
  for (const [path, text] of files) {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    for (const statement of file.statements) {
      if (statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) !== true) continue;
      const names = ts.isVariableStatement(statement)
        ? statement.declarationList.declarations.map(({ name }) => name.getText(file))
        : statement.name === undefined
          ? []
          : [statement.name.text];
      for (const name of names) declared.set(name, [...(declared.get(name) ?? []), path]);
    }
  }
  return [...declared]
    .filter(([, paths]) => new Set(paths).size > 1)
    .map(([name, paths]) => `${name} is exported by ${[...new Set(paths)].join(' and ')}`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const files = textFiles(root).map((path) => [relative(root, path), readFileSync(path, 'utf8')]);
  const sources = files.filter(([path]) => path.startsWith('src/') && path.endsWith('.ts'));
  const problems = [
    ...files.flatMap(([path, text]) => findPhrases(path, text)),
    ...(existsSync(join(root, 'src')) ? findDuplicateExports(sources) : []),
  ];
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
