package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Displaced returns nil while the file of the ledger is where it was opened. An open ledger goes on
// in the file that it has, wherever that is now; the next start would find none at the path, or
// another one, and so would a backup that copies the folder.
func (l *Ledger) Displaced() error {
	if l.opened == nil {
		return nil
	}
	switch now, err := os.Stat(l.path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the ledger is not at %s any more: put the file back", l.path)
	case err == nil && !os.SameFile(now, l.opened):
		return fmt.Errorf("at %s lies another file than the ledger in use: put the one that was there back", l.path)
	}
	return nil // what cannot be looked at is told by others
}
