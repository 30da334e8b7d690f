# Functions of the scripts that run in the guest. Nodes are namespaces n1, n2, … on one segment, their containers n1a, n1b, …
# The hub, 10.99.0.254, has etcd and stands for the outside.
ENDPOINT=http://10.99.0.254:2379

until_true() {
  tries=0
  until eval "$1" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ]; then echo "never: $1"; return 1; fi
    /run/guest/busybox usleep 50000
  done
}

# Until here the kernel loads modules as ever; from here on it also writes down what it asks for.
record_modprobe() {
  printf '#!/bin/sh\necho "$@" >>/run/modprobe.log\nexec /sbin/modprobe "$@"\n' >/run/modprobe
  chmod +x /run/modprobe && sysctl -qw kernel.modprobe=/run/modprobe
}

start_hub() {
  ip netns add hub && ip -n hub link set lo up && ip -n hub link add br0 up type bridge
  ip -n hub addr add 10.99.0.254/24 dev br0
  ip netns exec hub "$ETCD" --data-dir /run/etcd --unsafe-no-fsync \
    --listen-client-urls $ENDPOINT --advertise-client-urls $ENDPOINT \
    --listen-peer-urls http://10.99.0.254:2380 --initial-advertise-peer-urls http://10.99.0.254:2380 \
    --initial-cluster default=http://10.99.0.254:2380 >/run/etcd.log 2>&1 &
  until_true 'etcdctl endpoint health' && etcdctl put /coreos.com/network/config "$1"
}

etcdctl() { ip netns exec hub "$ETCDCTL" --endpoints $ENDPOINT "$@"; }

# NUMBER
add_node() {
  ip netns add n$1 && ip -n n$1 link set lo up && mkdir -p /run/n$1
  ip -n hub link add v$1 up master br0 type veth peer name eth0 netns n$1
  ip -n n$1 addr add 10.99.0.$1/24 dev eth0 && ip -n n$1 link set eth0 up && ip -n n$1 route add default via 10.99.0.254
}

# NUMBER
start_flanneld() {
  ip netns exec n$1 "$FLANNELD" -etcd-endpoints $ENDPOINT -iface eth0 -ip-masq -subnet-file /run/n$1/subnet.env >/run/n$1/log 2>&1 &
  echo $! >/run/n$1/pid
}

# NUMBER ATTACHMENT
start_agent() {
  ip netns exec n$1 "$NODE" "$BAREWIRE" node --etcd-endpoints $ENDPOINT --ip-masq --subnet-file /run/n$1/subnet.env \
    --cni /run/n$1/cni --state /run/n$1/state --socket /run/n$1/socket --attachment $2 >/run/n$1/log 2>&1 &
  echo $! >/run/n$1/pid
}

# NUMBER
until_ready() { until_true "grep -q '\"kind\":\"ready\"' /run/n$1/log" || { cat /run/n$1/log; return 1; }; }

# NUMBER OTHER: until the node has the route of host-gw to the other
until_route() { until_true "ip -n n$1 route | grep -q 'via 10.99.0.$2 '" || { ip -n n$1 route; cat /run/n$1/log; return 1; }; }
until_route6() { until_true "ip -n n$1 -6 route | grep -q 'via fd99::$2 '" || { ip -n n$1 -6 route; cat /run/n$1/log; return 1; }; }

# NUMBER: as the bridge plugin of a node with flanneld
attach_by_bridge() {
  . /run/n$1/subnet.env
  ip -n n$1 link add cni0 up type bridge && ip -n n$1 addr add $FLANNEL_SUBNET dev cni0
  ip netns exec n$1 sysctl -qw net.ipv4.ip_forward=1
  for one in a:10 b:11; do
    at=n$1${one%:*}
    ip netns add $at && ip -n $at link set lo up
    ip -n n$1 link add h${one%:*} up master cni0 type veth peer name eth0 netns $at && ip -n $at link set eth0 up
    ip -n $at addr add ${FLANNEL_SUBNET%.1/*}.${one#*:}/24 dev eth0 && ip -n $at route add default via ${FLANNEL_SUBNET%/*}
  done
}

# VERB NUMBER LETTER: runs the CNI plugin
cni() {
  echo '{"cniVersion":"1.0.0","name":"own","type":"barewire"}' | CNI_COMMAND=$1 CNI_CONTAINERID=n$2$3 CNI_NETNS=/run/netns/n$2$3 \
    CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin "$PLUGINS/n$2/barewire"
}

# NUMBER LETTER
attach() { ip netns add n$1$2 && ip -n n$1$2 link set lo up && cni ADD $1 $2 >/run/n$1/$2.json; }

# NUMBER
leave() {
  ip netns exec n$1 "$NODE" "$BAREWIRE" node leave --etcd-endpoints $ENDPOINT --state /run/n$1/state --socket /run/n$1/socket
}
