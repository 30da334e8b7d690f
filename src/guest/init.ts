/** The initramfs prints it when it was started only to test the accelerator. */
export const PROBE_WORD = 'barewire-guest-runs';
/** A guest prints it when its sshd listens. */
export const READY_WORD = 'barewire-guest-ready';

/** The directory of a guest's own files, inside the guest. */
export const GUEST = '/run/guest';
/** The machine's unchanged root below the overlay. */
const MACHINE = '/run/machine';

/**
 * The first program of every guest, run by the busybox of the initramfs. It mounts the machine's root,
 * read-only over 9p, below a tmpfs. `barewire=FOLDER` on the kernel's command line names the guest's own
 * directory on the machine.
 */
export const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /lower /upper /new
mount -t proc proc /proc
for word in $(cat /proc/cmdline); do case $word in barewire=*) own=\${word#barewire=};; esac; done
if [ "$own" = probe ]; then echo ${PROBE_WORD}; poweroff -f; fi
echo barewire-guest-started
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module" || echo "barewire: $module was not loaded"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro root /lower || exec poweroff -f
mount -t tmpfs tmpfs /upper
mkdir /upper/upper /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /new || exec poweroff -f
for place in proc sys dev; do mkdir -p /new/$place; mount --move /$place /new/$place; done
mkdir -p /new/run
# Not open to all, as a tmpfs is by default: sshd would not believe keys in it.
mount -t tmpfs -o mode=755 tmpfs /new/run
mkdir -p /new${GUEST} /new${MACHINE}
cp -p /lower$own/* /new${GUEST}/
if [ -f /lower$own/../key.pub ]; then cp -p /lower$own/../key.pub /new${GUEST}/; fi
cp /bin/busybox /new${GUEST}/busybox
mount --move /lower /new${MACHINE}
echo barewire-guest-rooted
exec switch_root /new ${GUEST}/busybox sh ${GUEST}/start
`;

/** A guest as its start script sees it. */
export interface GuestPlan {
  readonly name: string;
  /** IPv6 settings of every link. */
  readonly ipv6: Readonly<Record<string, string>>;
  readonly data: LinkPlan;
  readonly management: LinkPlan;
  /** The directory of the kernel's modules on the machine. */
  readonly modules: string;
  readonly version: string;
}

export interface LinkPlan {
  readonly name: string;
  readonly mac: string;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  readonly mtu: number;
}

/** The beginning of every guest's second program: modules, and a writable directory. */
export const startOf = ({ modules, version }: Pick<GuestPlan, 'modules' | 'version'>): string => `
# Busybox's own commands first: each that the machine's root would give is read over 9p.
mkdir() { ${GUEST}/busybox mkdir "$@"; }
mount() { ${GUEST}/busybox mount "$@"; }
cat() { ${GUEST}/busybox cat "$@"; }
ip() { ${GUEST}/busybox ip "$@"; }
sed() { ${GUEST}/busybox sed "$@"; }
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ulimit -n 65536
mkdir -p /dev/pts /dev/shm /run/sshd /var/lib/barewire ${GUEST}/home '/lib/modules/${version}'
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# The journals there are the machine's own.
mount -t tmpfs tmpfs /var/lib/barewire
mount -o bind '${MACHINE}${modules}' '/lib/modules/${version}'
`;

/** The second program: link names and addresses, then sshd. It stays as process 1 and adopts orphans. */
export const startScript = ({
  name,
  ipv6,
  data,
  management,
  ...where
}: GuestPlan): string => `${startOf(where)}
${GUEST}/busybox hostname barewire-${name}
${Object.entries(ipv6)
  .map(([key, value]) => `for scope in /proc/sys/net/ipv6/conf/*; do echo ${value} > $scope/${key}; done`)
  .join('\n')}
# By MAC and in two passes: the kernel numbers links as it finds them.
rename() {
  for link in /sys/class/net/*; do
    read -r mac < $link/address
    if [ "$mac" = $1 ]; then ip link set \${link##*/} name $2; fi
  done
}
rename ${data.mac} data
rename ${management.mac} ${management.name}
ip link set data name ${data.name}
ip link set lo up
${[data, management]
  .map(({ name, addresses, mtu }: LinkPlan) =>
    [
      `ip link set ${name} mtu ${mtu}`,
      ...addresses.map((address) => `ip addr add ${address} dev ${name}`),
      `ip link set ${name} up`,
    ].join('\n'),
  )
  .join('\n')}
# A login of root would read start-up files over 9p for seconds, and the machine's own root may be locked.
sed -i 's|^root:.*|root:x:0:0:root:${GUEST}/home:/bin/sh|' /etc/passwd
sed -i 's|^root:[^:]*:|root:*:|' /etc/shadow
/usr/sbin/sshd -f ${GUEST}/sshd_config
# Seldom: each look is a process, which takes an emulated CPU from the sshd that is waited for.
until [ -s ${GUEST}/sshd.pid ]; do ${GUEST}/busybox usleep 100000; done
echo ${READY_WORD}
while :; do ${GUEST}/busybox sleep 3600; done
`;

/** Uses keys of this run only, contacts no other machine and reads no user's files. */
export const sshdConfig = (listen: string): string => `ListenAddress ${listen}
HostKey ${GUEST}/hostkey
AuthorizedKeysFile ${GUEST}/key.pub
PidFile ${GUEST}/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
`;
