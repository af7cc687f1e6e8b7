//go:build !linux

package systemd

import "io"

// IsJournal returns false: the journal is one of Linux.
func IsJournal(io.Writer, string) bool { return false }
