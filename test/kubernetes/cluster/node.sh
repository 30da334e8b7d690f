#!/usr/bin/env bash
# Usage: node.sh NUMBER NAME FOLDER. The first process of a node's namespaces.
set -eu
hostname "$2"
mount -t tmpfs -o mode=755 tmpfs /run
# A sysfs of this network namespace, with the cgroups of the machine.
mkdir /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
umount --recursive --lazy /run/cgroup
# Kubelet and the CNI plugins have fixed paths below these.
mkdir -p "$3/lib" "$3/log"
mount --bind "$3/lib" /var/lib
mount --bind "$3/log" /var/log
mkdir -p /var/lib/kubelet /var/log/pods /var/log/containers
# The wire is moved in from outside.
until [ -e /sys/class/net/eth0 ]; do sleep 0.01; done
ip link set lo up
ip address add "10.98.0.$1/24" dev eth0
ip link set eth0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ready
sleep infinity &
wait
