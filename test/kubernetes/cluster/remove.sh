#!/usr/bin/env bash
# Usage: remove.sh FOLDER NAME. Removes the cgroups NAME-* and the folder, once the last processes have let go of them.
set -u
for ((attempt = 0; attempt < 200; attempt++)); do
  for cgroup in /sys/fs/cgroup/*/"$2"-*; do
    [ -d "$cgroup" ] && find "$cgroup" -depth -type d -exec rmdir {} \; 2> /dev/null
  done
  compgen -G "/sys/fs/cgroup/*/$2-*" > /dev/null || rm -rf "$1" 2> /dev/null
  [ -e "$1" ] || exit 0
  sleep 0.05
done
echo "could not remove $1 and the cgroups $2-*" >&2
exit 1
