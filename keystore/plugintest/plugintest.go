// Package plugintest is an age plugin for tests, age-plugin-stub. A test binary becomes it: [Main]
// in a program of testscript, or [Become] at the begin of TestMain, with a link of that name to the
// binary in the PATH.
//
// What an identity holds is a plain text, whose first word says how the plugin behaves:
//
//	plain NAME      it answers at once
//	touch NAME      it says that it waits for a touch, and answers
//	pin NAME        it asks for a PIN, which is 1234
//	confirm NAME    it asks whether to go on
//	fail NAME       it fails with a text of two lines
//	never NAME      it never answers
package plugintest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// Name is that of the plugin.
const Name = "stub"

// Program is that of the program.
const Program = "age-plugin-" + Name

// Identity returns an identity file of the plugin, as the programs of real ones print it: the
// recipient stands in a comment.
func Identity(behaviour string) string {
	return fmt.Sprintf("#    Recipient: %s\n%s\n", Recipient(behaviour), Bare(behaviour))
}

// Bare returns the identity alone.
func Bare(behaviour string) string { return plugin.EncodeIdentity(Name, []byte(behaviour)) }

// Recipient returns the recipient of an identity.
func Recipient(behaviour string) string { return plugin.EncodeRecipient(Name, []byte(behaviour)) }

// Become makes the plugin of this process if it was started by its name, and does not return then.
func Become() {
	if filepath.Base(os.Args[0]) == Program {
		Main()
	}
}

// Main runs the plugin. It does not return.
func Main() {
	p, err := plugin.New(Name)
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return &key{p, string(data)}, nil })
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return &key{p, string(data)}, nil })
	os.Exit(p.Main())
}

// key is a recipient, and its identity.
type key struct {
	plugin *plugin.Plugin
	text   string
}

// mask returns what the file key is hidden by. Nothing here is a secret.
func (k *key) mask(fileKey []byte) []byte {
	sum := sha256.Sum256([]byte("stub " + k.text))
	out := bytes.Clone(fileKey)
	for i := range out {
		out[i] ^= sum[i]
	}
	return out
}

func (k *key) tag() string {
	sum := sha256.Sum256([]byte(k.text))
	return hex.EncodeToString(sum[:4])
}

// Wrap hides the file key.
func (k *key) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: Name, Args: []string{k.tag()}, Body: k.mask(fileKey)}}, nil
}

// Unwrap finds the file key.
func (k *key) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != Name || len(s.Args) != 1 || s.Args[0] != k.tag() {
			continue
		}
		if err := k.behave(); err != nil {
			return nil, err
		}
		return k.mask(s.Body), nil
	}
	return nil, age.ErrIncorrectIdentity
}

func (k *key) behave() error {
	switch word, _, _ := strings.Cut(k.text, " "); word {
	case "touch":
		return k.plugin.DisplayMessage("touch the key\nnow")
	case "pin":
		pin, err := k.plugin.RequestValue("PIN of the key", true)
		if err == nil && pin != "1234" {
			err = errors.New("wrong PIN")
		}
		return err
	case "confirm":
		yes, err := k.plugin.Confirm("use the key?", "use", "leave")
		if err == nil && !yes {
			err = errors.New("not confirmed")
		}
		return err
	case "fail":
		return errors.New("the key is\nbroken")
	case "never":
		select {}
	}
	return nil
}
