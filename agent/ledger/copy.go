package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// copyMark is in the names of copies, beside the ledger's file. See [Ledger.Copy].
const copyMark = ".copy-"

// copyLeft is how old a copy is whose name nobody needs any more. Who asked for it opens it within
// seconds and removes it at the end: whoever did not was killed. On systems that remove files which
// are open, these are read to their end all the same; the others refuse.
const copyLeft = 15 * time.Minute

// Copy writes what is committed into a new file beside the ledger, in one state, and returns its
// path; the caller removes it. It is a ledger without mark and segments: who takes it for a backup
// adds the segments that lie beside the ledger afterwards. Requests go on meanwhile. The values in
// it are sealed as they are in the ledger. [ErrNoRoom], [ErrNoCopy].
func (l *Ledger) Copy() (path string, err error) {
	store, ok := l.store.(interface {
		copyTo(path string) error
	})
	if !ok {
		return "", ErrNoCopy
	}
	l.removeCopies()
	file, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+copyMark) // with mode 0600
	if err != nil {
		return "", fmt.Errorf("copying the ledger: %w", err)
	}
	path = file.Name()
	crashpoint("copy begun")
	if err := errors.Join(file.Close(), store.copyTo(path)); err != nil {
		return "", fmt.Errorf("copying the ledger: %w", errors.Join(err, os.Remove(path)))
	}
	return path, nil
}

// removeCopies removes what killed commands left. An error does not matter here: a copy takes room
// and no more.
func (l *Ledger) removeCopies() {
	left, _ := filepath.Glob(l.path + copyMark + "*")
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > copyLeft {
			_ = os.Remove(path)
		}
	}
}
