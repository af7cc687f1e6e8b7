package keystore

import (
	"errors"
	"io/fs"
	"os"
)

// ownedBy returns what passes every rule. Windows has neither owners nor modes as the rules mean
// them: its access control lists say who may read a file, and this package does not look at them.
func ownedBy(path string, info fs.FileInfo) owned {
	return owned{path: path, mode: info.Mode() &^ 0o077}
}

// openDescriptor returns standard input. A process on Windows inherits nothing else by a number.
func openDescriptor(n int) (*os.File, error) {
	if n != 0 {
		return nil, errors.New("Windows has no descriptors besides fd:0: name another source, such as file:PATH")
	}
	return os.Stdin, nil
}
