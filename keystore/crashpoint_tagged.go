//go:build crashpoints

package keystore

import "pksa/keystore/durable"

// Crashpoint is told each step of a change of the file. The program of the crash tests sets it.
var Crashpoint = func(string) {}

func marked(disk durable.Disk) durable.Disk {
	system := disk
	disk.CreateTemp = func(dir, pattern string) (durable.File, error) {
		Crashpoint("keystore not written yet")
		f, err := system.CreateTemp(dir, pattern)
		Crashpoint("keystore begun")
		return f, err
	}
	disk.Rename = func(from, to string) error {
		Crashpoint("keystore written")
		err := system.Rename(from, to)
		Crashpoint("keystore in place")
		return err
	}
	disk.SyncFolder = func(dir string) error {
		err := system.SyncFolder(dir)
		Crashpoint("keystore synced")
		return err
	}
	return disk
}
