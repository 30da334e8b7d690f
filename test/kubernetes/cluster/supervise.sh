#!/usr/bin/env bash
# Usage: supervise.sh FOLDER NAME. Prints the process id of `unshare`, whose child is the first process of the cluster's namespaces,
# and `ready` when they are set up. Kills the cluster and removes what outlives it when standard input ends.
# A SIGKILL to this process kills the cluster too: --pdeathsig kills unshare, --kill-child its child, and with that child the kernel
# kills every process of the namespace and of those nested in it.
set -u
here=$(dirname "$0")
setpriv --pdeathsig KILL unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc \
  --propagation private bash "$here/plane.sh" < /dev/null &
unshare=$!
echo "$unshare"
cat > /dev/null
# unshare exits after its child, and the child after every process of its namespace.
first=$(cat "/proc/$unshare/task/$unshare/children" 2> /dev/null)
kill -KILL ${first:-"$unshare"} 2> /dev/null
wait
exec bash "$here/remove.sh" "$@"
