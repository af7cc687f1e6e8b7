package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"pksa/agent/config"
	"pksa/keystore"
	"pksa/keystore/access"
)

// prompt asks a person for a secret. The terminal does not show what is typed. When ctx ends, as
// Ctrl-C ends it, so does the prompt, and the terminal shows again what is typed.
func (c *command) prompt(ctx context.Context, label string) ([]byte, error) {
	file, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, hint(errors.New("there is no terminal to ask at"), adviceNoTerminal)
	}
	fmt.Fprintf(c.err, "%s: ", label)
	secret, err := readHidden(ctx, int(file.Fd()))
	fmt.Fprintln(c.err)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("nothing was typed")
	}
	return secret, err
}

// typed is what came of a read.
type typed struct {
	text []byte
	err  error
}

// readHidden reads a line of the terminal without echo.
func readHidden(ctx context.Context, terminal int) ([]byte, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	line := make(chan typed, 1)
	go func() { // it stays in its read when a person interrupts; the process ends then
		text, err := term.ReadPassword(terminal)
		line <- typed{text, err}
	}()
	select {
	case t := <-line:
		return t.text, t.err
	case <-ctx.Done():
	}
	restoreEcho(terminal, before, line)
	return nil, context.Cause(ctx)
}

// echoWait bounds how long restoreEcho waits for a reader that is about to turn the echo off.
const echoWait = 200 * time.Millisecond

// restoreEcho sets the terminal as it was. A reader that was started just now has yet to turn the
// echo off: restored before that, the terminal would stay without.
func restoreEcho(terminal int, before *term.State, line <-chan typed) {
	late := time.After(echoWait)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		if now, err := term.GetState(terminal); err != nil || *now != *before {
			break
		}
		select {
		case <-line: // whoever typed Enter has the echo again
			waiting = false
		case <-late:
			waiting = false
		case <-tick.C:
		}
	}
	_ = term.Restore(terminal, before)
}

// promptTwice asks for a new secret twice, because a mistake would lock the keystore for good.
func (c *command) promptTwice(ctx context.Context, label string) ([]byte, error) {
	first, err := c.prompt(ctx, "new "+label)
	if err != nil {
		return nil, err
	}
	second, err := c.prompt(ctx, "once more")
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if string(first) != string(second) {
		clear(first)
		return nil, errors.New("the two are not the same; nothing was made")
	}
	return first, nil
}

// secretFrom reads a secret from a source. Without a source there is no secret.
func (c *command) secretFrom(ctx context.Context, from, label string) (string, error) {
	if from == "" {
		return "", nil
	}
	source, err := keystore.ParseSource(from)
	if err != nil {
		return "", errUsage{err}
	}
	secret, err := c.readSecret(ctx, source, label)
	if err != nil {
		return "", err
	}
	defer secret.Wipe()
	return string(secret.Bytes()), nil
}

// unlockSecret reads what opens the keystore from the source that the settings name.
func (c *command) unlockSecret(ctx context.Context, cfg *config.Config) (keystore.Secret, error) {
	if err := belongsToUs(cfg); err != nil {
		return keystore.Secret{}, err
	}
	source, err := keystore.ParseSource(cfg.Unlock)
	if err != nil {
		return keystore.Secret{}, fmt.Errorf("setting unlock: %w", err)
	}
	secret, err := c.readSecret(ctx, source, "passphrase of the keystore")
	if err != nil {
		err = c.wrongUser(cfg.Home, err)
	}
	return secret, err
}

// belongsToUs refuses to open the keystore of another user's wallet as root. What that user wrote
// into the settings may ask a running agent; it must not name what root reads or runs.
func belongsToUs(cfg *config.Config) error {
	info, err := os.Stat(cfg.Home)
	if err != nil || len(access.Administered(cfg.Home)) == 0 {
		return nil
	}
	owner := ownerOf(info)
	return hint(fmt.Errorf("the wallet in %s belongs to user %s, and root does not open another's keystore", cfg.Home,
		owner), adviceWrongUser, shellWord(owner), shellWord(cfg.Home))
}

// readSecret reads a secret from a source. A person at the terminal is asked for what the label
// names.
func (c *command) readSecret(ctx context.Context, source keystore.Source, label string) (keystore.Secret, error) {
	return source.Read(ctx, func(string) ([]byte, error) { return c.prompt(ctx, label) })
}

// terminal reports whether a person can be asked: standard input is a terminal.
func (c *command) terminal() bool {
	file, ok := c.in.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// sure asks a person at the terminal whether to go on, and returns errDeclined for every answer but
// yes. Where there is no terminal nobody is asked: a script knows what it does.
func (c *command) sure(ctx context.Context, question string) error {
	if !c.terminal() {
		return nil
	}
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	line, err := readUntil(ctx, func() ([]byte, error) { return bufio.NewReader(c.in).ReadBytes('\n') })
	if ctx.Err() != nil {
		fmt.Fprintln(c.err)
		return err
	}
	if word := string(bytes.ToLower(bytes.TrimSpace(line))); word == "y" || word == "yes" {
		return nil
	}
	return errDeclined
}

// readUntil returns what read returns, or the cause of the end of ctx. The read may outlive the
// call when a person interrupts; the process ends then.
func readUntil(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	t, err := await(ctx, func() typed {
		text, err := read()
		return typed{text, err}
	})
	if err != nil {
		return nil, err
	}
	return t.text, t.err
}

// await returns what work returns, or the cause of the end of ctx. The work, which takes no context
// and changes nothing, may outlive the call when a person interrupts; the process ends then.
func await[T any](ctx context.Context, work func() T) (done T, err error) {
	if ctx.Err() != nil {
		return done, context.Cause(ctx)
	}
	result := make(chan T, 1)
	go func() { result <- work() }()
	select {
	case done = <-result:
		return done, nil
	case <-ctx.Done():
		return done, context.Cause(ctx)
	}
}
