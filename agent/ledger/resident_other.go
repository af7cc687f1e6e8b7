//go:build !linux

package ledger

import bolt "go.etcd.io/bbolt"

// unmapPages does nothing here: what the kernel shows of a file is left to it.
func unmapPages(*bolt.DB) {}
