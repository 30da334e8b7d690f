//go:build tools

// Package main lists flannel's CNI plugin as the CNI project had it until 0.9.1: later ones are not served as a module.
package main

import _ "github.com/containernetworking/plugins/plugins/meta/flannel"
