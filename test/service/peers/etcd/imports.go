//go:build tools

// Package main lists the programs that are built, so that go.mod and go.sum cover them.
package main

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
