// Package logtail keeps a log in memory and shows its end. Start with [Buffer]; its zero value is
// ready.
package logtail

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is an io.Writer that keeps what was written. It may be used concurrently.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns the whole log.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Last returns the last n lines, or all if there are fewer.
func (b *Buffer) Last(n int) string {
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
