package systemd

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// IsJournal reports whether w is the journal's stream: JOURNAL_STREAM, the given value, names its
// device and inode. A program that inherits the variable and writes elsewhere writes no prefixes.
func IsJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
