// Format and types are checked elsewhere; this file holds the rules that a reader could not see from the code:
// which room may import which, and what only one room may touch.
import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The rooms of ARCHITECTURE.md. Imports go down this list, never up. */
const ROOMS = [
  'cli',
  'cost',
  'study',
  'testbed',
  'guest',
  'network',
  'load',
  'server',
  'metrics',
  'tuning',
  'stats',
  'report',
  'machine',
  'rpc',
  'linux',
  'schema',
];
/** Data in, data out: the same answer on any machine. */
const PURE = [
  'src/network/**',
  'src/tuning/**',
  'src/stats/**',
  'src/report/**',
  'src/schema/**',
  'src/study/plan*.ts',
  'src/cost/{shell,shell-script,slope,symbols,trace,parts,warnings}.ts',
];

const only = (name, room) => ({ name, message: `Only the room "${room}" may use it.` });
const FFI = [only('koffi', 'linux')];
const PROCESSES = ['execa', 'node:child_process', 'node:cluster'].map((name) => only(name, 'machine'));
const above = (room) => ROOMS.slice(0, ROOMS.indexOf(room));
const roomPatterns = (room) => [
  ...above(room).map((upper) => ({
    regex: `^(\\.\\./)+${upper}/`,
    message: `"${room}" lies below "${upper}": imports go down, never up.`,
  })),
  {
    regex: `^(\\.\\./)+(${ROOMS.join('|')})/(?!index\\.js$)`,
    message: 'A room shows the others its index.ts and nothing else.',
  },
];
const restricted = (room, extra = []) => ({
  'no-restricted-imports': [
    'error',
    {
      paths: [...(room === 'linux' ? [] : FFI), ...(room === 'machine' ? [] : PROCESSES)],
      patterns: [...roomPatterns(room), ...extra],
    },
  ],
});
const rooms = ROOMS.map((room) => ({ files: [`src/${room}/**/*.ts`], rules: restricted(room) }));
// `util.styleText` is a pure function.
const io = { regex: '^node:(?!util$)', message: 'A pure room does no I/O: take the data as an argument.' };
const pureRooms = PURE.map((files) => {
  const room = files.split('/')[1];
  return {
    files: [files],
    rules: {
      ...restricted(room, [io]),
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
  ...rooms,
  ...pureRooms,
  {
    // Indexing a typed array inside its bounds cannot give undefined, and a check there would be on the hot path.
    files: ['src/load/**/*.ts', 'src/linux/**/*.ts', 'src/stats/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs', 'bin/*'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly' },
    },
  },
);
