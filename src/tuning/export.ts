import { printAction, printTable, type Setting } from '../schema/index.js';
import { tuningSteps, type TuningStep } from './steps.js';

/** What a plan can be printed as, for machines without Barewire. */
export const EXPORTS = ['script', 'sysctl', 'udev', 'tuned'] as const;
export type ExportFormat = (typeof EXPORTS)[number];

/**
 * Prints settings as a shell script with its own undo, or as a file of sysctl.d, udev or tuned. Each format has the settings that it
 * can express; comments name the others.
 */
export function exportSettings(settings: readonly Setting[], format: ExportFormat, profile: string): string {
  switch (format) {
    case 'script':
      return printScript(settings, profile);
    case 'sysctl':
      return printFile(settings, profile, (setting) =>
        isSysctl(setting) ? `${setting.path.slice('/proc/sys/'.length)} = ${setting.value}` : null,
      );
    case 'udev':
      return printFile(settings, profile, udevRule);
    case 'tuned':
      return printTuned(settings, profile);
  }
}

const isSysctl = ({ kind, path }: Setting): boolean => kind === 'file' && path.startsWith('/proc/sys/');
const isSysfs = ({ kind, path }: Setting): boolean =>
  kind === 'file' && (path.startsWith('/sys/') || path.startsWith('/proc/irq/'));

const header = (profile: string): string => `# The profile ${profile}, for this machine's topology.`;
const omitted = ({ knob, path, value }: Setting): string =>
  `# not expressed here: ${knob}: ${path} = ${value}`;

function printFile(
  settings: readonly Setting[],
  profile: string,
  print: (setting: Setting) => string | null,
): string {
  return [header(profile), ...settings.map((setting) => print(setting) ?? omitted(setting))].join('\n');
}

/** Attributes of a device's queues are set when the device appears. */
function udevRule({ kind, path, value }: Setting): string | null {
  const { device, attribute } =
    /^\/sys\/class\/net\/(?<device>[^/]+)\/(?<attribute>.+)$/.exec(path)?.groups ?? {};
  return kind === 'file' && device !== undefined && attribute !== undefined
    ? `ACTION=="add|change", SUBSYSTEM=="net", KERNEL=="${device}", ATTR{${attribute}}="${value}"`
    : null;
}

function printTuned(settings: readonly Setting[], profile: string): string {
  const sysctls = settings.filter(isSysctl);
  const files = settings.filter(isSysfs);
  const held = settings.find(({ kind }) => kind === 'held-file');
  const features = settings.flatMap((setting) => (setting.kind === 'feature' ? [setting] : []));
  const section = (name: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', `[${name}]`, ...lines];
  const known = new Set<Setting>([...sysctls, ...files, ...features, ...(held === undefined ? [] : [held])]);
  return [
    header(profile),
    ...settings.filter((setting) => !known.has(setting)).map(omitted),
    '',
    '[main]',
    `summary=The profile ${profile} of Barewire`,
    ...section('cpu', held === undefined ? [] : [`force_latency=${held.value}`]),
    ...section(
      'sysctl',
      sysctls.map(({ path, value }) => `${path.slice('/proc/sys/'.length).replaceAll('/', '.')}=${value}`),
    ),
    ...section(
      'sysfs',
      files.map(({ path, value }) => `${path}=${value}`),
    ),
    ...section(
      'net',
      [...new Set(features.map(({ device }) => device))].flatMap((device) => [
        `devices_udev_regex=^INTERFACE=${device}$`,
        `features=${features
          .filter((one) => one.device === device)
          .map(({ feature, value }) => `${feature} ${value}`)
          .join(' ')}`,
      ]),
    ),
  ].join('\n');
}

/** `apply` saves every value that it replaces and ends at the first refusal; `undo` restores what still holds. */
function printScript(settings: readonly Setting[], profile: string): string {
  const actions = tuningSteps(settings).map(({ do: action }) => action);
  return [
    '#!/bin/sh',
    header(profile),
    '# sh FILE apply: set it. sh FILE undo: restore what still has the value that was set. A reboot restores everything.',
    ...settings.filter(({ kind }) => kind === 'affinity').map(omitted),
    'set -eu',
    'saved=/run/barewire-tuning.saved',
    '',
    '# The chosen word of a list of choices, or the whole value.',
    `value() { sed 's/.*\\[\\(.*\\)\\].*/\\1/' "$1"; }`,
    'setting() { printf \'%s\\t%s\\t%s\\n\' "$1" "$(value "$1")" "$2" >> "$saved"; printf %s "$2" > "$1"; }',
    '',
    'apply() {',
    '  [ ! -e "$saved" ] || { echo "applied already: undo it first" >&2; exit 1; }',
    '  : > "$saved"',
    ...actions.flatMap((action) => applyLine(action).map((line) => `  ${line}`)),
    '}',
    '',
    'undo() {',
    '  [ -e "$saved" ] || { echo "nothing to undo" >&2; exit 1; }',
    ...actions.flatMap((action) => undoLine(action).map((line) => `  ${line}`)),
    "  while IFS='\t' read -r path before wanted; do",
    '    [ -e "$path" ] || continue',
    '    # Masks and lists are printed otherwise than they are written: compared with what was read back.',
    '    if [ "$(value "$path")" = "$(cat "$saved.$(printf %s "$path" | tr / _)" 2> /dev/null || printf %s "$wanted")" ]',
    '    then printf %s "$before" > "$path"',
    '    else echo "left: $path has changed since" >&2',
    '    fi',
    '  done < "$saved"',
    '  rm -f "$saved" "$saved".*',
    '}',
    '',
    'case "${1:-}" in',
    '  apply) apply; cut -f 1 "$saved" | while read -r path; do value "$path" > "$saved.$(printf %s "$path" | tr / _)"; done ;;',
    '  undo) undo ;;',
    '  *) echo "usage: sh $0 apply|undo" >&2; exit 2 ;;',
    'esac',
  ].join('\n');
}

function applyLine(action: TuningStep['do']): string[] {
  switch (action.kind) {
    case 'setting':
      return [`setting '${action.path}' '${action.value}'`];
    case 'feature':
      return [
        `ethtool -k '${action.link}' | sed -n 's/^${action.feature}: \\([a-z]*\\).*/\\1/p' > "$saved.${action.link}.${action.feature}"`,
        `ethtool -K '${action.link}' '${action.feature}' '${action.value}'`,
      ];
    case 'nftables':
      return [`nft '${printTable(action)}'`];
    case 'process': {
      const [path = '', digits = ''] = action.argv.slice(-2);
      return [
        `setsid sh -c 'exec 3>${path} && printf %s ${digits} >&3 && exec sleep 2147483647' < /dev/null > /dev/null 2>&1 & echo $! > "$saved.holder"`,
      ];
    }
    case 'command':
      return [printAction(action)];
  }
}

function undoLine(action: TuningStep['do']): string[] {
  switch (action.kind) {
    case 'feature':
      return [
        `ethtool -K '${action.link}' '${action.feature}' "$(cat "$saved.${action.link}.${action.feature}")"`,
      ];
    case 'nftables':
      return [`nft delete table inet '${action.table}' 2> /dev/null || true`];
    case 'process':
      return ['kill "$(cat "$saved.holder")" 2> /dev/null || true'];
    case 'command':
      return [`tc qdisc del dev '${action.args[3] ?? ''}' root 2> /dev/null || true`];
    case 'setting':
      // Restored from the saved values.
      return [];
  }
}
