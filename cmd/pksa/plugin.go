package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"

	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore"
)

// unlockOf makes of a secret what opens a keystore. Age plugins reach a person at the terminal,
// where there is one.
func (c *command) unlockOf(ctx context.Context, secret keystore.Secret) (keystore.Unlock, error) {
	unlock, err := keystore.NewUnlock(secret)
	if err != nil {
		return unlock, err
	}
	return unlock.WithPlugins(c.plugins(ctx)), nil
}

// plugins returns how age plugins reach a person. What they say goes to standard error: to the log
// of a service, where it tells why the start waits for a touch. They are answered at a terminal
// only.
func (c *command) plugins(ctx context.Context) keystore.PluginUI {
	ui := keystore.PluginUI{Say: func(text string) { c.tell(systemd.Info, "pksa: %s\n", text) }}
	if c.asJSON {
		ui.Say = nil // a program that reads JSON looks for nothing but an error there
	}
	if c.terminal() {
		ui.Ask = func(label string, hidden bool) ([]byte, error) {
			if hidden {
				return c.prompt(ctx, label)
			}
			fmt.Fprintf(c.err, "%s: ", label)
			line, err := readUntil(ctx, func() ([]byte, error) { return bufio.NewReader(c.in).ReadBytes('\n') })
			return bytes.TrimSpace(line), err
		}
	}
	return ui
}
