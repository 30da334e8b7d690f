import { SLOT_FILES, SPEC_VERSIONS } from './protocol.js';

/** Variables of the CNI specification that the agent needs. */
const VARIABLES = [
  'CNI_COMMAND',
  'CNI_CONTAINERID',
  'CNI_NETNS',
  'CNI_IFNAME',
  'CNI_ARGS',
  'CNI_PATH',
] as const;

/**
 * The CNI plugin: a script of POSIX sh that uses no other program. It hands the request to the agent, which takes a millisecond; starting
 * Node would take fifty.
 *
 * The agent has made a FIFO for each slot and keeps its writing end open. A slot is used once: the plugin claims it by creating its request
 * file, which fails if it exists, opens the FIFO, announces the slot, and reads the reply: the exit status, then the output. If the agent has
 * ended, no writer is left, and the plugin reads an end of file instead of waiting.
 *
 * @param folder of the agent's slots
 */
export const pluginScript = (folder: string): string => `#!/bin/sh
# The CNI plugin of barewire node: hands its request to the running agent. Written by \`barewire node install\`.
dir='${folder}'

fail() {
  printf '{"cniVersion":"1.0.0","code":%s,"msg":"%s","details":"%s"}\\n' "$1" "$2" "$3"
  exit 1
}

if [ "$CNI_COMMAND" = VERSION ]; then
  config=
  while IFS= read -r line || [ -n "$line" ]; do config="$config$line"; done
  version=1.1.0
  case $config in
    *'"cniVersion"'*)
      version=\${config#*'"cniVersion"'}
      version=\${version#*'"'}
      version=\${version%%'"'*}
      ;;
  esac
  printf '{"cniVersion":"%s","supportedVersions":[${SPEC_VERSIONS.map((version) => `"${version}"`).join(',')}]}\\n' "$version"
  exit 0
fi
down=11
[ "$CNI_COMMAND" = STATUS ] && down=50

# Fails if the slot is taken. No other program is started.
set -C
slot=
for fifo in "$dir"/${SLOT_FILES.reply}*; do
  # Without an agent there is none.
  [ -p "$fifo" ] || continue
  number=\${fifo##*${SLOT_FILES.reply}}
  if true 2>/dev/null > "$dir/${SLOT_FILES.request}$number"; then
    # Used and removed by another since it was listed.
    [ -p "$fifo" ] || continue
    slot=$number
    break
  fi
done
set +C
[ -n "$slot" ] || fail $down "The agent of barewire node is not running" "Start it: systemctl start barewire-node"

# Opening for reading alone would wait for a writer.
exec 5<>"$dir/${SLOT_FILES.reply}$slot" 4<"$dir/${SLOT_FILES.reply}$slot" 5>&-
{
  printf '%s\\n' ${VARIABLES.map((name) => `"${name}=$${name}"`).join(' ')} ''
  while IFS= read -r line || [ -n "$line" ]; do printf '%s\\n' "$line"; done
} >> "$dir/${SLOT_FILES.request}$slot"
exec 3<>"$dir/${SLOT_FILES.bell}"
printf '%s\\n' "$slot" >&3

IFS= read -r status <&4 || fail $down "The agent of barewire node has ended" "Start it: systemctl start barewire-node"
while IFS= read -r line <&4 || [ -n "$line" ]; do printf '%s\\n' "$line"; done
exit "$status"
`;
