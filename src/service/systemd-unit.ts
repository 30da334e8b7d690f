/** Where systemd is the first process. */
export const SYSTEMD = '/run/systemd/system';
export const UNIT = 'barewire-node.service';
export const UNIT_PATH = `/etc/systemd/system/${UNIT}`;
/** Has the options of the agent. Only root reads it: a password may be among them. */
export const ENVIRONMENT_PATH = '/etc/barewire/node.env';

/** @param program the command line of barewire */
export const printUnit = (program: readonly string[]): string => `[Unit]
Description=Node of a flannel network
Wants=network-online.target
After=network-online.target
Before=containerd.service docker.service

[Service]
# FLANNELD_ETCD_ENDPOINTS=http://10.0.0.1:2379 and other options.
EnvironmentFile=${ENVIRONMENT_PATH}
# Most objects of the agent are short-lived. A small young generation of the heap saves a seventh of its memory.
Environment=NODE_OPTIONS=--max-semi-space-size=4
ExecStart=${program.map(quote).join(' ')} node
# Containers stay connected while the agent is down.
KillMode=process
Restart=always
RestartSec=1s

[Install]
WantedBy=multi-user.target
`;

export const printEnvironment = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join('');

/** systemd.syntax: within double quotes, backslashes and quotes are escaped. `%` and `$` are specifiers of ExecStart only. */
const quote = (word: string): string =>
  /^[\w./:=@,+-]*$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
