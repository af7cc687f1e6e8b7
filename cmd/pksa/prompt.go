package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"pksa/agent/config"
	"pksa/keystore"
)

// prompt asks a person for a secret. The terminal does not show what is typed.
func (c *command) prompt(label string) ([]byte, error) {
	file, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, hint(errors.New("there is no terminal to ask at"),
			"use another source, such as file:PATH or env:NAME")
	}
	fmt.Fprintf(c.err, "%s: ", label)
	secret, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(c.err)
	return secret, err
}

// promptTwice asks for a new secret twice, because a mistake would lock the keystore for good.
func (c *command) promptTwice(label string) ([]byte, error) {
	first, err := c.prompt("new " + label)
	if err != nil {
		return nil, err
	}
	second, err := c.prompt("once more")
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
	source, err := keystore.ParseSource(cfg.Unlock)
	if err != nil {
		return keystore.Secret{}, fmt.Errorf("setting unlock: %w", err)
	}
	secret, err := c.readSecret(ctx, source, "passphrase of the keystore")
	if errors.Is(err, fs.ErrNotExist) {
		return secret, hint(err, "`pksa init` makes the keystore and what unlocks it")
	}
	return secret, err
}

// readSecret reads a secret from a source. A person at the terminal is asked for what the label
// names.
func (c *command) readSecret(ctx context.Context, source keystore.Source, label string) (keystore.Secret, error) {
	return source.Read(ctx, func(string) ([]byte, error) { return c.prompt(label) })
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
	answer := make(chan string, 1)
	go func() { // it may outlive the call when the person interrupts; the process ends then
		line, _ := bufio.NewReader(c.in).ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		if word := strings.ToLower(strings.TrimSpace(line)); word == "y" || word == "yes" {
			return nil
		}
		return errDeclined
	case <-ctx.Done():
		fmt.Fprintln(c.err)
		return context.Cause(ctx)
	}
}
