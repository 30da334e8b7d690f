// Installs the npm packages and the system packages, and names each with its reason first.
// Plain Node without dependencies, because it runs before they are installed.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const LEAST_NODE = 20;

/** Every tool with its package on Debian and Ubuntu, why it is needed, and what uses it. */
const TOOLS = JSON.parse(readFileSync(join(root, 'src/schema/tools.json'), 'utf8'));
const USERS = {
  study: ['study'],
  test: ['study', 'cost', 'guest', 'single-guest', 'docker', 'test', 'cluster', 'bench'],
  bench: ['study', 'bench'],
};

/** A tool is a name in the PATH, or an absolute path. */
function hasTool(tool) {
  if (isAbsolute(tool)) return existsSync(tool);
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Prints an error and its remedy, and exits with the status for a machine that cannot run this. */
function refuse(message, remedy) {
  console.error(`barewire: ${message}\n  ${remedy}`);
  process.exit(3);
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < LEAST_NODE)
    refuse(`Node ${process.versions.node} is too old.`, `Install Node ${LEAST_NODE} or newer.`);
}

function installNpmPackages() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error('Installing the npm packages of package-lock.json …');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
}

function installSystemPackages(tools) {
  const missing = tools.filter(({ tool }) => !hasTool(tool));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((missed) => missed.package))];
  console.error('Missing on this machine:');
  for (const missed of missing) console.error(`  ${missed.tool} (package ${missed.package}): ${missed.why}`);
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!hasTool('apt-get'))
    refuse(
      'This machine has no apt-get.',
      `Install these by hand: ${missing.map(({ tool }) => tool).join(', ')}.`,
    );
  if (process.getuid() !== 0) refuse('Installing them requires root.', `Run: sudo ${command}`);
  console.error(`Installing: ${packages.join(', ')} …`);
  apt(['update', '-qq']);
  apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  const still = missing.filter(({ tool }) => !hasTool(tool)).map(({ tool }) => tool);
  if (still.length > 0)
    refuse(
      `Still missing after the installation: ${still.join(', ')}.`,
      `Run it by hand to see why: ${command}`,
    );
}

/** RUNLEVEL=1 keeps a package from starting its service: Barewire starts its own nginx and does not use port 80. */
function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    execFileSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    refuse(
      `apt-get ${args[0]} failed: ${error.message}`,
      'Repair the package sources, or install the packages by hand.',
    );
  }
}

/** The tools of a purpose: `study`, `test` or `bench`. */
export const toolsFor = (purpose) =>
  TOOLS.filter(({ usedBy }) => USERS[purpose].some((user) => usedBy.includes(user)));

/** Installs what a purpose needs. */
export function setUp(purpose) {
  checkNode();
  installSystemPackages(toolsFor(purpose));
  installNpmPackages();
}

if (process.argv[1] === new URL(import.meta.url).pathname) setUp('study');
