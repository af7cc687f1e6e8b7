package keystore_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A descriptor that is no file, such as the Go runtime's own epoll, must neither be read nor
// closed.
func TestSourceForeignDescriptor(t *testing.T) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if _, err := source(t, fmt.Sprint("fd:", fd)).Read(t.Context(), nil); err == nil || !strings.Contains(err.Error(),
		"not a file") {
		t.Errorf("got %v", err)
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		t.Errorf("the descriptor was closed: %v", err)
	}
}
