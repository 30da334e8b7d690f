import type { Step } from '../../schema/index.js';

/** Where a daemon of Barewire's own keeps its files. */
export interface DaemonPlace {
  /** Unique on the host: names its process and its control group. */
  readonly name: string;
  /** The directory of its socket, its configuration and its own /run. */
  readonly folder: string;
  /** The directory of its images and containers, on a disk. */
  readonly dataRoot: string;
}

/** Its default network: none, or the bridge docker0 with its address and MTU, and the addresses that containers get. */
type DefaultBridge = {
  readonly address: string;
  readonly mtu: number;
  readonly containers: string;
  /** True for rules of iptables that translate the containers' addresses and publish their ports. */
  readonly translates: boolean;
} | null;

/** The name of its default bridge. */
export const DOCKER0 = 'docker0';

export const socketOf = ({ folder }: Pick<DaemonPlace, 'folder'>): string => `${folder}/docker.sock`;

/**
 * Gives a daemon a /run, an /etc and an /opt of its own, in its own mount namespace. Otherwise it would use a containerd of the machine,
 * and leave sockets in /run/containerd, a key in /etc/docker and a directory in /opt. Names of namespaces are unmounted, because they would keep
 * namespaces alive that others have removed.
 */
const OWN_PLACES = [
  'umount --recursive --lazy /run/netns; mount -t tmpfs -o mode=755 barewire "$1"',
  // A guest has no init that mounts it.
  '{ [ -n "$(ls /sys/fs/cgroup)" ] || mount -t cgroup2 none /sys/fs/cgroup; }',
  'mkdir "$1/barewire" "$1/etc" "$1/work" "$1/opt" "$1/opt-work"',
  // It may be a link into /run.
  '{ cp -L /etc/resolv.conf "$1/resolv.conf" || : > "$1/resolv.conf"; }',
  'mount --bind /run/barewire "$1/barewire"',
  'mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" barewire /etc',
  // containerd makes /opt/containerd.
  '{ [ ! -d /opt ] || mount -t overlay -o "lowerdir=/opt,upperdir=$1/opt,workdir=$1/opt-work" barewire /opt; }',
  'cp --remove-destination "$1/resolv.conf" /etc/resolv.conf',
  'mount --rbind "$1" /run',
  'shift',
  'exec "$@"',
].join(' && ');

/**
 * Starts a Docker daemon with a containerd of its own in the host's network namespace. It is the first process of a pid
 * namespace: when it ends, however it ends, the kernel ends all its containers, and with them all its mounts. It writes no setting of
 * the host, and no rule of iptables unless it translates addresses.
 */
export function daemonSteps(place: DaemonPlace, bridge: DefaultBridge): Step[] {
  const { name, folder } = place;
  const translates = bridge?.translates === true;
  const network =
    bridge === null
      ? ['--bridge', 'none']
      : ['--bip', bridge.address, '--mtu', String(bridge.mtu), '--fixed-cidr', bridge.containers];
  const argv = [
    ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['sh', '-c', OWN_PLACES, 'sh', `${folder}/run`],
    ...['dockerd', '--config-file', `${folder}/daemon.json`, '--host', `unix://${socketOf(place)}`],
    ...['--data-root', place.dataRoot, '--exec-root', '/run/docker', '--pidfile', '/run/docker.pid'],
    ...[`--iptables=${translates}`, `--ip-masq=${translates}`, '--ip6tables=false'],
    ...['--ip-forward=false', '--userland-proxy=false'],
    ...network,
  ];
  const config = JSON.stringify({
    'cgroup-parent': `/${name}`,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
  });
  return [
    {
      why: "Create the directory of the daemon's socket.",
      do: { kind: 'directory', path: folder },
      undo: { kind: 'directory', path: folder },
    },
    {
      why: "Create the daemon's own /run.",
      do: { kind: 'directory', path: `${folder}/run` },
      // The daemon leaves its rules behind.
      undo: translates ? { kind: 'docker-rules', netns: null } : null,
    },
    {
      why: 'Create the control group of its containers, which run before other programs.',
      do: { kind: 'cgroup', path: name },
      undo: { kind: 'cgroup', path: name },
    },
    {
      why: 'Write its configuration.',
      do: { kind: 'file', path: `${folder}/daemon.json`, content: config },
      // The daemon leaves its bridge behind, also when a later step fails.
      undo: bridge === null ? null : { kind: 'link', netns: null, name: DOCKER0 },
    },
    {
      why: `Start a Docker daemon${bridge === null ? '' : ", whose bridge has the network's subnet and MTU"}.`,
      do: { kind: 'process', name, netns: null, argv, cpus: [], socket: socketOf(place) },
      undo: { kind: 'process', name },
    },
  ];
}

/** Creates the directory of the daemon's images. */
export const dataRootStep = ({ dataRoot }: DaemonPlace): Step => ({
  why: "Create the directory of the daemon's images and containers.",
  do: { kind: 'directory', path: dataRoot },
  undo: { kind: 'directory', path: dataRoot },
});
