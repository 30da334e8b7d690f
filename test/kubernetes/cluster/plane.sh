#!/usr/bin/env bash
# The first process of the cluster's namespaces: the wire between the nodes, where the control plane runs too.
set -eu
hostname plane
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
ip link add br0 type bridge
ip address add 10.98.0.100/24 dev br0
ip link set br0 up
# Lets pods reach the API server.
ip route add 10.244.1.0/24 via 10.98.0.1
ip route add 10.244.2.0/24 via 10.98.0.2
echo ready
# Bash reaps the processes that lost their parent.
sleep infinity &
wait
