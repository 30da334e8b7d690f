// The rules of ARCHITECTURE.md: which module may import which, and what only one module may do.
import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The modules of ARCHITECTURE.md. Imports go down this list, never up. */
const MODULES = [
  'cli',
  'cost',
  'study',
  'service',
  'cni',
  'testbed',
  'guest',
  'tuning',
  'network',
  'load',
  'server',
  'metrics',
  'stats',
  'report',
  'machine',
  'rpc',
  'linux',
  'schema',
];
/** Data in, data out: no I/O, the same result on any machine. */
const PURE = [
  'src/network/**',
  'src/tuning/**',
  'src/stats/**',
  'src/report/**',
  'src/schema/**',
  'src/study/plan*.ts',
  'src/cost/{shell,shell-script,slope,symbols,trace,parts,warnings}.ts',
];

const only = (name, module) => ({ name, message: `Only the module "${module}" may use it.` });
const FFI = [only('koffi', 'linux')];
const PROCESSES = ['execa', 'node:child_process', 'node:cluster'].map((name) => only(name, 'machine'));
/** Functions of node:fs that change a file system. */
const WRITES = [
  ...[
    'appendFile',
    'chmod',
    'chown',
    'copyFile',
    'cp',
    'link',
    'mkdir',
    'mkdtemp',
    'open',
    'rename',
    'rm',
    'rmdir',
  ],
  ...['symlink', 'truncate', 'unlink', 'utimes', 'writeFile'],
];
const writes = [
  { name: 'node:fs/promises', importNames: WRITES },
  { name: 'node:fs', importNames: [...WRITES, ...WRITES.map((name) => `${name}Sync`), 'createWriteStream'] },
].map((path) => ({ ...path, message: 'Only the module "machine" writes files.' }));
/** Beside machine: linux writes to /proc and opens namespaces; results.ts writes what the user asked for. */
const WRITERS = ['machine', 'linux'];

const KINDS = '/^(netns|vm|ssh|kubernetes)$/';
/** A comparison of something named kind or testbed with the name of a testbed. */
const TESTBED_COMPARISONS = [
  `BinaryExpression[operator=/^[!=]==?$/]:has(> Literal[value=${KINDS}]):has(> MemberExpression[object.name=/testbed/i])`,
  `BinaryExpression[operator=/^[!=]==?$/]:has(> Literal[value=${KINDS}]):has(> Identifier[name=/testbed/i])`,
  `BinaryExpression[operator=/^[!=]==?$/]:has(> Literal[value=${KINDS}]):has(> MemberExpression[object.property.name=/testbed/i])`,
  `SwitchStatement[discriminant.object.name=/testbed/i]:has(SwitchCase[test.value=${KINDS}])`,
  `SwitchStatement[discriminant.object.property.name=/testbed/i]:has(SwitchCase[test.value=${KINDS}])`,
  `SwitchStatement[discriminant.name=/testbed/i]:has(SwitchCase[test.value=${KINDS}])`,
];

const above = (module) => MODULES.slice(0, MODULES.indexOf(module));
const modulePatterns = (module) => [
  ...above(module).map((upper) => ({
    regex: `^(\\.\\./)+${upper}/`,
    message: `"${module}" is below "${upper}": imports go down, never up.`,
  })),
  {
    regex: `^(\\.\\./)+(${MODULES.join('|')})/(?!index\\.js$)`,
    message: 'Import another module by its index.ts.',
  },
];
const restricted = (module, { extra = [], mayWrite = false } = {}) => ({
  'no-restricted-imports': [
    'error',
    {
      paths: [
        ...(module === 'linux' ? [] : FFI),
        ...(module === 'machine' ? [] : PROCESSES),
        ...(WRITERS.includes(module) || mayWrite ? [] : writes),
      ],
      patterns: [...modulePatterns(module), ...extra],
    },
  ],
});
const modules = MODULES.map((module) => ({ files: [`src/${module}/**/*.ts`], rules: restricted(module) }));
// `util.styleText` is a pure function.
const io = { regex: '^node:(?!util$)', message: 'A pure module does no I/O: take the data as an argument.' };
const pureModules = PURE.map((files) => {
  const module = files.split('/')[1];
  return {
    files: [files],
    rules: {
      ...restricted(module, { extra: [io] }),
      'no-restricted-globals': [
        'error',
        'process',
        'performance',
        'fetch',
        'setTimeout',
        'setInterval',
        'Buffer',
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Take a seeded source as an argument.' },
        { object: 'Date', property: 'now', message: 'Take the time as an argument.' },
      ],
    },
  };
});

export default defineConfig(
  { ignores: ['dist/**', 'results/**', 'node_modules/**'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-cycle': 'error',
      // `await using _lock`: held, not read.
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  { files: ['src/**/*.ts'], ignores: ['src/cli/**'], rules: { 'no-console': 'error' } },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/cli/**', ...PURE],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Only cli exits.' },
      ],
    },
  },
  ...modules,
  { files: ['src/study/results.ts'], rules: restricted('study', { mayWrite: true }) },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/testbed/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...TESTBED_COMPARISONS.map((selector) => ({
          selector,
          message: 'Only the module "testbed" knows its kinds: ask the registry.',
        })),
      ],
    },
  },
  ...pureModules,
  {
    // Indexing a typed array inside its bounds cannot give undefined, and a check there would be on the hot path.
    files: ['src/load/**/*.ts', 'src/linux/**/*.ts', 'src/stats/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs', 'bin/*'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
