package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What is read from standard input ends, too, and the status says by which signal.
func TestInterruptEndsReads(t *testing.T) {
	home := t.TempDir() + "/home"
	if got := run(t.Context(), []string{"--home", home, "init"}, streams{strings.NewReader(""), io.Discard,
		io.Discard}); got != exitOK {
		t.Fatalf("init: status %d", got)
	}
	for signal, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(t.Context())
		open, person := io.Pipe()
		said := new(bytes.Buffer)
		reading := make(chan int)
		go func() {
			reading <- run(ctx, []string{"--home", home, "policy", "explain", "-"}, streams{open, io.Discard, said})
		}()
		if _, err := person.Write([]byte("request: ")); err != nil { // it returns when the command reads
			t.Fatal(err)
		}
		cancel(interruption{signal})
		if got := <-reading; got != want || !strings.HasPrefix(said.String(), "pksa: error: ") {
			t.Errorf("%v: status %d, want %d: %s", signal, got, want, said)
		}
		person.Close()
	}
}

// A check of a large file ends at a signal, though nothing in it looks for one.
func TestInterruptEndsChecks(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	begun, never := make(chan bool), make(chan bool)
	defer close(never)
	go func() {
		<-begun
		cancel(interruption{syscall.SIGTERM})
	}()
	_, err := await(ended, func() bool {
		close(begun)
		return <-never
	})
	if err != (interruption{syscall.SIGTERM}) {
		t.Fatal(err)
	}
	file := t.TempDir() + "/policy.yaml"
	if err := os.WriteFile(file, []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"check", "test"} {
		said := new(bytes.Buffer)
		if got := run(ended, []string{"--home", t.TempDir(), "policy", verb, file}, streams{strings.NewReader(""),
			io.Discard, said}); got != 143 {
			t.Errorf("%s: status %d: %s", verb, got, said)
		}
	}
}
