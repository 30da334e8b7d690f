// Writes docs/errors.md from the code's own errors and findings, or with --check says whether the file is still that.
import { build } from 'esbuild';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const ROOT = new URL('..', import.meta.url).pathname;
const FILE = join(ROOT, 'docs/errors.md');
const EXIT_STATUS = { user: 2, machine: 3, bug: 1 };
/** Functions that make an error: the place of the message, and of the code or of the options that have it. */
const MAKERS = new Map(
  Object.entries({
    userError: { message: 0, options: 2, code: 'bad-input', fault: 'user' },
    machineError: { message: 1, codeAt: 0, fault: 'machine' },
    bug: { message: 0, code: 'bug', fault: 'bug' },
  }),
);

/** Every error that the sources throw: its code, fault, message and file. Calls of a wrapper count as calls of the maker. */
export function findErrors(files) {
  return files.flatMap(([path, text]) => {
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const wrappers = findWrappers(source);
    const errors = [];
    const visit = (node) => {
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const name = node.expression.getText(source);
        const maker = MAKERS.get(name);
        if (maker !== undefined) errors.push(readCall(node, maker, source, path, wrappers));
        else if (wrappers.has(name)) errors.push(readWrapped(node, wrappers.get(name), source, path));
        else if (name === 'BarewireError' || (name === 'super' && /extends BarewireError/.test(text)))
          errors.push(readConstructor(node, source, path));
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    return errors.filter((error) => error !== null);
  });
}

/** Private functions whose own parameter is the message of an error. */
function findWrappers(source) {
  const wrappers = new Map();
  const visit = (node, enclosing) => {
    const isFunction = ts.isFunctionDeclaration(node) || ts.isArrowFunction(node);
    const name = isFunction ? (node.name ?? node.parent.name)?.getText(source) : undefined;
    const within = isFunction && name !== undefined ? { name, node } : enclosing;
    if (within !== undefined && ts.isCallExpression(node) && MAKERS.get(node.expression.getText(source))) {
      const maker = MAKERS.get(node.expression.getText(source));
      const message = node.arguments[maker.message]?.getText(source);
      const at = within.node.parameters.findIndex((parameter) => parameter.name.getText(source) === message);
      if (at >= 0) wrappers.set(within.name, { at, call: node, maker });
    }
    ts.forEachChild(node, (child) => visit(child, within));
  };
  visit(source, undefined);
  return wrappers;
}

function readCall(node, maker, source, path, wrappers) {
  // The wrapper's own call has no message yet.
  if ([...wrappers.values()].some(({ call }) => call === node)) return null;
  return {
    code: codeOf(node, maker, source),
    fault: maker.fault,
    message: textOf(node.arguments[maker.message], source),
    path,
  };
}

function readWrapped(node, { at, call, maker }, source, path) {
  return {
    code: codeOf(call, maker, source),
    fault: maker.fault,
    message: textOf(node.arguments?.[at], source),
    path,
  };
}

function codeOf(node, { codeAt, code, options }, source) {
  if (codeAt !== undefined) return textOf(node.arguments[codeAt], source);
  const given =
    options === undefined
      ? undefined
      : /code: '([a-z-]+)'/.exec(node.arguments[options]?.getText(source) ?? '');
  return given?.[1] ?? code;
}

/** `new BarewireError(message, { code, fault })`. */
function readConstructor(node, source, path) {
  const facts = node.arguments?.[1]?.getText(source) ?? '';
  const [code, fault] = ['code', 'fault'].map((name) => new RegExp(`${name}: '([a-z-]+)'`).exec(facts)?.[1]);
  if (code === undefined || fault === undefined) return null;
  return { code, fault, message: textOf(node.arguments[0], source), path };
}

/** A text with `…` for each value; null for what is made elsewhere. */
function textOf(node, source) {
  if (node === undefined) return null;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return [node.head.text, ...node.templateSpans.map((span) => `…${span.literal.text}`)].join('');
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [textOf(node.left, source), textOf(node.right, source)];
    return `${left ?? '…'}${right ?? '…'}`;
  }
  return null;
}

/** The sources by their path. */
export function sourceFiles(folder = join(ROOT, 'src')) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => [relative(ROOT, path), readFileSync(path, 'utf8')]);
}

/** The catalogue and the codes of the schemas. */
export async function readCatalogue() {
  const { outputFiles } = await build({
    stdin: {
      contents:
        "import { findingSchema, tuningFindingSchema } from './src/schema/index.js';" +
        'const codesOf = (schema) => schema.options.map(({ shape }) => shape.code.value);' +
        'export const findings = codesOf(findingSchema); export const tuningFindings = codesOf(tuningFindingSchema);',
      resolveDir: ROOT,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const module = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  const json = (name) => JSON.parse(readFileSync(join(ROOT, 'src/schema', name), 'utf8'));
  return {
    errors: json('errors.json'),
    texts: json('findings.json'),
    findings: module.findings,
    tuningFindings: module.tuningFindings,
  };
}

/** Codes that are used and not in the catalogue, or in the catalogue and not used. */
export function findGaps({ errors, texts, findings, tuningFindings }, thrown) {
  const codes = [...new Set(thrown.map(({ code }) => code))];
  const known = [...findings, ...tuningFindings];
  return [
    ...thrown
      .filter(({ code }) => code === null)
      .map(({ path, message }) => `${path}: "${message}" has no literal code`),
    ...codes.filter((code) => code !== null && !(code in errors)).map((code) => `errors.json lacks ${code}`),
    ...Object.keys(errors)
      .filter((code) => !codes.includes(code))
      .map((code) => `no error has the code ${code}`),
    ...known.filter((code) => !(code in texts)).map((code) => `findings.json lacks ${code}`),
    ...Object.keys(texts)
      .filter((code) => !known.includes(code))
      .map((code) => `no finding has the code ${code}`),
  ];
}

/** Texts of the code may have quotes of their own, and lines. */
const quote = (text) => `\`${text.replace(/\s+/g, ' ').replaceAll('`', "'").trim()}\``;

/** The text of docs/errors.md. */
export async function render({ errors, texts, findings, tuningFindings }, thrown) {
  const sections = Object.entries(errors).map(([code, { cause, remedy }]) => {
    const own = thrown.filter((error) => error.code === code);
    const statuses =
      code === 'interrupted' ? [130] : [...new Set(own.map(({ fault }) => EXIT_STATUS[fault]))].sort();
    const messages = [
      ...new Set(
        own.flatMap(({ message }) =>
          message === null || !/[a-z]{3}/i.test(message) ? [] : [quote(message)],
        ),
      ),
    ];
    return [
      `### ${code}`,
      `Exit status ${statuses.join(' or ')}. ${cause}`,
      `Remedy: ${remedy}`,
      ...(messages.length === 0
        ? []
        : [
            `Messages:\n\n${messages
              .sort()
              .map((message) => `- ${message}`)
              .join('\n')}`,
          ]),
    ].join('\n\n');
  });
  const list = (codes) => codes.map((code) => `- \`${code}\`: ${texts[code].join(' ')}`).join('\n');
  const text = `# Errors and findings

Generated from the code by \`node scripts/errors.mjs\`.

An error ends a command. It says what failed with the value and the place, and then what to do. Its code is for programs: it is
in \`slices.jsonl\` and in the events of \`barewire node\`. Exit status: 0 done; 1 the command ran, and something in
it failed; 2 the request was wrong; 3 this machine or a host cannot do it; 130 interrupted. A finding is something that Barewire noticed
while it went on.

## Errors

In a message, \`…\` stands for a value.

${sections.join('\n\n')}

## Findings of studies, loads and \`doctor\`

Each with its cause and its remedy.

${list(findings)}

## Findings of tuning

${list(tuningFindings)}
`;
  return format(text, { ...(await resolveConfig(FILE)), parser: 'markdown' });
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const catalogue = await readCatalogue();
  const thrown = findErrors(sourceFiles());
  const gaps = findGaps(catalogue, thrown);
  for (const gap of gaps) console.error(gap);
  if (gaps.length > 0) process.exitCode = 1;
  else {
    const text = await render(catalogue, thrown);
    if (!process.argv.includes('--check')) await writeFile(FILE, text);
    else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
      console.error('docs/errors.md is not what the code says: run node scripts/errors.mjs');
      process.exitCode = 1;
    }
  }
}
