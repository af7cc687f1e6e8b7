package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipe()
		text := strings.Repeat("0123456789", 20_000) // more than is held
		go func() {
			if n, err := io.WriteString(near, text); n != len(text) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			near.Close()
		}()
		time.Sleep(time.Second)
		got, err := io.ReadAll(far)
		if string(got) != text || err != nil {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing to a closed end: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipe()
		began := time.Now()
		near.SetReadDeadline(began.Add(time.Hour))
		time.AfterFunc(time.Second, func() { near.SetReadDeadline(began.Add(3 * time.Second)) })
		_, err := near.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() ||
			time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		near.SetDeadline(time.Time{})
		near.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := near.Write(make([]byte, maxBuffered+1)); n != maxBuffered ||
			!errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", n, err)
		}
		far.Close()
		if _, err := near.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from a closed end: %v", err)
		}
	})
}
