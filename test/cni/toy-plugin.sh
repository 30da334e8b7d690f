#!/bin/sh
# A CNI plugin that does what the specification says, but for one fault: FAULT is the id of the check that finds it.
# As `toy` it makes a veth pair; as `host-local` it assigns addresses. It parses JSON as JSON.stringify prints it.
FAULT='@FAULT@'
self=${0##*/}
faulty() { [ "$FAULT" = "$1" ]; }
version=1.1.0

fail() { # CODE MESSAGE
  if faulty input.error-object; then echo "{\"code\":$1,\"msg\":\"$2\"}"; exit 1; fi
  echo "{\"cniVersion\":\"$version\",\"code\":$1,\"msg\":\"$2\"}"
  exit 1
}
key() { # JSON KEY: the value of the last string of that name
  printf %s "$1" | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p"
}

conf=$(cat)

if [ "$CNI_COMMAND" = VERSION ]; then
  asked=$(key "$conf" cniVersion)
  faulty version.echo && asked=1.1.0
  list='"0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"'
  faulty version.dense && list='"0.3.0","0.3.1","1.0.0","1.1.0"'
  faulty version.answer && echo "{\"cniVersion\":\"$asked\"}" && exit 0
  echo "{\"cniVersion\":\"$asked\",\"supportedVersions\":[$list]}"
  exit 0
fi

# The request.
case $CNI_COMMAND in
  ADD | DEL | CHECK)
    [ -n "$CNI_CONTAINERID" ] || faulty input.no-container-id || fail 4 'CNI_CONTAINERID is missing'
    faulty input.bad-container-id || case $CNI_CONTAINERID in [!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]*) fail 4 'bad CNI_CONTAINERID' ;; esac
    [ -n "$CNI_IFNAME" ] || faulty input.no-ifname || fail 4 'CNI_IFNAME is missing'
    faulty input.bad-ifname || case $CNI_IFNAME in . | .. | *[/:\ ]* | ????????????????*) fail 4 'bad CNI_IFNAME' ;; esac
    [ -n "$CNI_NETNS" ] || [ "$CNI_COMMAND" = DEL ] || faulty input.no-netns || fail 4 'CNI_NETNS is missing'
    ;;
  GC | STATUS) ;;
  *) faulty input.bad-command && exit 0; fail 4 'bad CNI_COMMAND' ;;
esac
case $conf in
  {*}) ;;
  '') faulty input.empty && exit 0; fail 6 'no configuration' ;;
  *) faulty input.not-json && exit 0; fail 6 'not JSON' ;;
esac
request=${conf%%,\"prevResult\"*}
prev=
[ "$request" = "$conf" ] || prev=${conf##*\"prevResult\":}
case $request in '{"type":"'*) ;; *) faulty input.no-type || fail 7 'no type' ;; esac
network=$(key "$request" name)
[ -n "$network" ] || { faulty input.no-name && network=none; } || fail 7 'no name'
version=$(key "$request" cniVersion)
case $version in
  0.3.0 | 0.3.1 | 0.4.0 | 1.0.0 | 1.1.0) ;;
  *) faulty version.unknown && fail 7 'bad version'; fail 1 'incompatible version' ;;
esac
case $CNI_ARGS in *EXAMPLE*) ! faulty add.args || fail 7 'unknown CNI_ARGS' ;; esac

valid=$(printf %s "$conf" | sed -n 's/.*"cni.dev\/valid-attachments":\[\([^]]*\)\].*/\1/p')
state=/var/lib/cni
store=$state/networks/$network
host=toy$(printf %s "$CNI_CONTAINERID $CNI_IFNAME" | cksum | cut -d' ' -f1)
ns=${CNI_NETNS##*/}
inside() { ip -n "$ns" "$@" 2>/dev/null; }
ours() { grep -lxF "$CNI_CONTAINERID $CNI_IFNAME" "$store"/* 2>/dev/null; }

# ---- host-local
if [ "$self" = host-local ]; then
  mkdir -p "$store"
  case $CNI_COMMAND in
    ADD)
      first=$(key "$request" rangeStart)
      last=2
      [ -n "$first" ] && last=${first##*.} || first=198.19.0.2
      most=254
      [ -z "$(key "$request" rangeStart)" ] || most=$last
      while [ "$last" -le "$most" ]; do
        address=198.19.0.$last
        if faulty add.concurrent; then
          [ -e "$store/$address" ] || { sleep 0.05; echo "$CNI_CONTAINERID $CNI_IFNAME" > "$store/$address"; break; }
        else
          (set -C; echo "$CNI_CONTAINERID $CNI_IFNAME" > "$store/$address") 2>/dev/null && break
        fi
        last=$((last + 1))
      done
      [ "$last" -le "$most" ] || fail 11 'no free address'
      routes=',"routes":[{"dst":"0.0.0.0/0"}]'
      case $request in *'"routes":[]'*) routes= ;; esac
      echo "{\"cniVersion\":\"$version\",\"ips\":[{\"address\":\"$address/24\",\"gateway\":\"198.19.0.1\"}]$routes}"
      ;;
    DEL)
      for file in $(ours); do
        if faulty del.releases-address; then echo released > "$file"; else rm -f "$file"; fi
      done
      ;;
    CHECK) [ -n "$(ours)" ] || fail 100 'no reservation' ;;
    GC)
      faulty gc.removes-stale && exit 0
      if faulty gc.unknown; then
        for id in $(printf %s "$valid" | grep -o '"containerID":"[^"]*' | cut -d '"' -f 4); do
          grep -qs "^$id " "$store"/* || fail 100 "unknown attachment $id"
        done
      fi
      faulty gc.other-network && store="$state/networks/toy-$FAULT"
      for file in "$store"/*; do
        [ -e "$file" ] || continue
        read -r id ifname < "$file"
        case $valid in *"\"$id\",\"ifname\":\"$ifname\""*) faulty gc.keeps-valid && rm -f "$file" ;; *) rm -f "$file" ;; esac
      done
      ;;
  esac
  exit 0
fi

# ---- toy
ipam=$(printf %s "$request" | sed -n 's/.*"ipam":{"type":"\([^"]*\)".*/\1/p')
delegate() { # COMMAND: the delegated plugin's output and status
  input=$conf
  faulty delegation.configuration && input=$(printf %s "$conf" | sed 's/"toyKey":[^,]*,//')
  old=$IFS; IFS=:
  for directory in $CNI_PATH; do
    [ -x "$directory/$ipam" ] || continue
    IFS=$old
    if faulty delegation.environment; then printf %s "$input" | CNI_COMMAND=$1 CNI_ARGS= "$directory/$ipam"
    else printf %s "$input" | CNI_COMMAND=$1 "$directory/$ipam"; fi
    return
  done
  IFS=$old
  echo '{"cniVersion":"1.0.0","code":7,"msg":"no plugin for addresses"}'; return 1
}

case $CNI_COMMAND in
  ADD)
    faulty kill.add && mkdir -p $state && : > "$state/unfinished-$CNI_CONTAINERID"
    faulty del.removes && ip addr add "198.19.9.$(($$ % 250 + 1))/32" dev eth0
    if ! [ -e "$CNI_NETNS" ]; then
      faulty add.no-namespace && mkdir -p $state && : > "$state/leak-$CNI_CONTAINERID"
      fail 100 'no such namespace'
    fi
    if inside link show "$CNI_IFNAME" >/dev/null; then
      faulty add.exists || fail 100 'the interface exists'
      inside link del "$CNI_IFNAME"
    fi
    faulty add.again && [ -e "$state/former-$CNI_CONTAINERID" ] && fail 100 'the container is known'
    if ! answer=$(delegate ADD); then
      faulty delegation.failed-add || delegate DEL >/dev/null
      faulty delegation.clean-failure && ip link add "leak$$" type veth peer name "peer$$"
      printf '%s\n' "$answer"; exit 1
    fi
    address=$(key "$answer" address)
    gateway=$(key "$answer" gateway)
    [ -n "$address" ] || faulty delegation.bad-result || { delegate DEL >/dev/null; fail 100 'no address'; }
    ip link add "$host" type veth peer name "$CNI_IFNAME" netns "$ns" 2>/dev/null || { delegate DEL >/dev/null; fail 100 'no veth'; }
    ip link set "$host" up
    route="route add default via $gateway dev $CNI_IFNAME"
    case $answer in *'"dst"'*) ;; *) route= ;; esac
    faulty add.routes && route=
    up="link set $CNI_IFNAME up"
    faulty add.up && up= route=
    more=
    faulty add.addresses && more="addr add 198.19.8.8/32 dev $CNI_IFNAME"
    printf '%s\n' "addr add $address dev $CNI_IFNAME" "$up" "$route" "$more" | inside -batch -
    mac=$(inside -o link show "$CNI_IFNAME" | sed 's/.*link\/ether \([^ ]*\).*/\1/')
    hostmac=$(ip -o link show "$host" | sed 's/.*link\/ether \([^ ]*\).*/\1/')
    faulty add.interface && mac=02:00:00:00:00:01
    with=
    case $version in 0.*) with=',"version":"4"' ;; esac
    faulty version.result-0.3.1 && with=
    said=$version
    faulty version.result-0.4.0 && said=0.3.1
    faulty version.result-1.0.0 && said=1.1.0
    faulty version.result-1.1.0 && address=${address%/*}
    interfaces=$(printf %s "$prev" | sed -n 's/.*"interfaces":\[\([^]]*\)\].*/\1,/p')
    ips=$(printf %s "$prev" | sed -n 's/.*"ips":\[\([^]]*\)\].*/\1,/p')
    servers=$(printf %s "$prev" | sed -n 's/.*"nameservers":\[\([^]]*\)\].*/\1/p')
    at=$(printf %s "$interfaces" | grep -o '"name"' | wc -l)
    faulty add.prev-result && interfaces= ips= servers= at=0
    own="{\"name\":\"$CNI_IFNAME\",\"mac\":\"$mac\",\"sandbox\":\"$CNI_NETNS\"}"
    faulty add.host-interfaces || own="$own,{\"name\":\"$host\",\"mac\":\"$hostmac\"}"
    routes='"routes":[{"dst":"0.0.0.0/0"}],'
    case $answer in *'"dst"'*) ;; *) routes= ;; esac
    faulty add.output && echo 'attached'
    echo "{\"cniVersion\":\"$said\",\"interfaces\":[$interfaces$own],\"ips\":[$ips{\"address\":\"$address\",\"gateway\":\"$gateway\",\"interface\":$at$with}],$routes\"dns\":{\"nameservers\":[$servers]}}"
    rm -f "$state/unfinished-$CNI_CONTAINERID"
    ;;
  DEL)
    if faulty kill.del; then
      [ ! -e "$state/deleting-$CNI_CONTAINERID" ] || fail 11 'a DEL is running'
      mkdir -p $state && : > "$state/deleting-$CNI_CONTAINERID"
    fi
    if faulty del.empty-netns && [ -z "$CNI_NETNS" ]; then exit 0; fi
    if faulty del.namespace-gone && [ -n "$CNI_NETNS" ] && ! [ -e "$CNI_NETNS" ]; then fail 100 'no such namespace'; fi
    if faulty del.no-prev-result && [ -z "$prev" ]; then fail 7 'no prevResult'; fi
    if faulty del.repeated && ! ip link show "$host" >/dev/null 2>&1; then fail 100 'the interface does not exist'; fi
    faulty add.again && mkdir -p $state && : > "$state/former-$CNI_CONTAINERID"
    faulty del.failed-add && ! ip link show "$host" >/dev/null 2>&1 && inside link del "$CNI_IFNAME"
    faulty del.other-container && inside link del "$CNI_IFNAME"
    faulty del.never-added && mkdir -p $state && : > "$state/deleted-$CNI_CONTAINERID"
    faulty delegation.del || { answer=$(delegate DEL) || { printf '%s\n' "$answer"; exit 1; }; }
    faulty add.second-interface && for each in $(ip -o link | grep -o 'toy[0-9]*'); do ip link del "$each"; done
    ip link del "$host" 2>/dev/null
    rm -f "$state/deleting-$CNI_CONTAINERID"
    ;;
  CHECK)
    case $version in 0.3.*) faulty check.too-old || fail 1 'no CHECK before 0.4.0' ;; esac
    faulty check.after-add && fail 100 'always'
    faulty delegation.check || { answer=$(delegate CHECK) || { printf '%s\n' "$answer"; exit 1; }; }
    faulty check.link-removed && exit 0
    inside link show "$CNI_IFNAME" >/dev/null || fail 100 'the interface is gone'
    address=$(key "$prev" address)
    faulty check.address-removed && exit 0
    inside -o addr show dev "$CNI_IFNAME" | grep -q "inet $address " || fail 100 'the address is gone'
    faulty check.route-removed || [ -n "$(inside route show default)" ] || fail 100 'the route is gone'
    ;;
  GC)
    if faulty gc.repeated && [ -z "$valid" ]; then fail 100 'no attachments'; fi
    faulty delegation.gc && exit 0
    answer=$(delegate GC) || { printf '%s\n' "$answer"; exit 1; }
    ;;
  STATUS)
    faulty status.ready && fail 50 'not ready'
    faulty status.no-effect && echo ready
    answer=$(delegate STATUS) || faulty delegation.status || { printf '%s\n' "$answer"; exit 1; }
    ;;
esac
exit 0
