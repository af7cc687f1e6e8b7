//go:build !linux

package main

import (
	"os"
	"os/exec"
	"time"
)

// dieWithUs does nothing here: nothing is measured on other systems than Linux.
func dieWithUs(*exec.Cmd) {}

// syncData returns when the bytes of a file are on the disk, as a commit of the ledger does.
func syncData(f *os.File) error { return f.Sync() }

// ownCPU returns nothing here.
func ownCPU() time.Duration { return 0 }
