package keystore

import (
	"errors"
	"os"
)

// openDescriptor returns standard input. A process on Windows inherits nothing else by a number.
func openDescriptor(n int) (*os.File, error) {
	if n != 0 {
		return nil, errors.New("Windows has no descriptors besides fd:0: name another source, such as file:PATH")
	}
	return os.Stdin, nil
}
