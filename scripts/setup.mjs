// What both commands share: the npm packages and the system packages, named with the reason before they are installed.
// Plain Node without dependencies, since it runs before there are any.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const LEAST_NODE = 20;

/** What a study runs. `tool` is looked for; `pkg` is Debian's and Ubuntu's package of it. */
const STUDY_TOOLS = [
  { tool: 'ip', pkg: 'iproute2', why: 'makes namespaces, links and routes' },
  { tool: 'tc', pkg: 'iproute2', why: 'shapes the wire' },
  { tool: 'bridge', pkg: 'iproute2', why: 'fills the forwarding table of vxlan' },
  { tool: 'nginx', pkg: 'nginx-light', why: 'the server under load' },
  { tool: 'ping', pkg: 'iputils-ping', why: 'proves the path and its MTU' },
  { tool: 'nsenter', pkg: 'util-linux', why: 'starts programs inside a namespace' },
  { tool: 'taskset', pkg: 'util-linux', why: 'keeps programs on their CPUs' },
];
const TEST_TOOLS = [
  { tool: 'ps', pkg: 'procps', why: 'finds processes that a test left behind' },
  { tool: 'h2load', pkg: 'nghttp2-client', why: 'a second opinion of the load' },
  {
    tool: 'qemu-system-x86_64',
    pkg: 'qemu-system-x86',
    why: 'runs guests with a kernel that has every network',
  },
  { tool: 'busybox', pkg: 'busybox-static', why: 'starts a guest' },
  { tool: 'cpio', pkg: 'cpio', why: 'packs what starts a guest' },
  { tool: 'modprobe', pkg: 'kmod', why: 'finds the modules that a guest needs' },
  { tool: 'ssh', pkg: 'openssh-client', why: 'reaches a guest' },
  { tool: 'sshd', pkg: 'openssh-server', why: 'lets a guest be reached' },
  { tool: 'wg', pkg: 'wireguard-tools', why: 'sets up WireGuard in a guest' },
  { tool: 'sudo', pkg: 'sudo', why: 'lets a guest be reached by one who is not root' },
  { tool: 'chromium', pkg: 'chromium', why: 'opens the report as a reader would' },
];
const BENCH_TOOLS = [
  { tool: 'wrk', pkg: 'wrk', why: 'the generator to be measured against' },
  { tool: 'tcpdump', pkg: 'tcpdump', why: 'sees on the wire what the generator says of itself' },
];

function hasTool(tool) {
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

/** Says what happened and what to do, and ends with the status for "this machine cannot". */
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
  const packages = [...new Set(missing.map(({ pkg }) => pkg))];
  console.error('Missing on this machine:');
  for (const { tool, pkg, why } of missing) console.error(`  ${tool} (package ${pkg}): ${why}`);
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!hasTool('apt-get'))
    refuse(
      'This machine has no apt-get.',
      `Install by hand what provides: ${missing.map(({ tool }) => tool).join(', ')}.`,
    );
  if (process.getuid() !== 0) refuse('Only root can install them.', `Run: sudo ${command}`);
  console.error(`Installing: ${packages.join(', ')} …`);
  apt(['update', '-qq']);
  apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  const still = missing.filter(({ tool }) => !hasTool(tool)).map(({ tool }) => tool);
  if (still.length > 0)
    refuse(
      `Still missing after the installation: ${still.join(', ')}.`,
      `Run by hand and read what it says: ${command}`,
    );
}

/** RUNLEVEL=1 keeps a package from starting its service: Barewire starts its own nginx, and leaves port 80 alone. */
function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    execFileSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    refuse(
      `apt-get ${args[0]} failed: ${error.message}`,
      'Mend the package sources, or install the packages by hand.',
    );
  }
}

/** `purpose` is what the machine is to be ready for. */
export function setUp(purpose) {
  checkNode();
  const extra = { study: [], test: [...TEST_TOOLS, ...BENCH_TOOLS], bench: BENCH_TOOLS }[purpose];
  installSystemPackages([...STUDY_TOOLS, ...extra]);
  installNpmPackages();
}

if (process.argv[1] === new URL(import.meta.url).pathname) setUp('study');
