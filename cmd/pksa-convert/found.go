package main

import (
	"errors"
	"fmt"
	"strings"

	"pksa/protocol/hive"
)

// key is a private key that was found, with the account and role that it is of; both are empty as
// long as nobody has named them.
type key struct {
	account hive.AccountName
	role    hive.Role
	private *hive.PrivateKey
}

// found is what a file held.
type found struct {
	keys []key
	left []string // what was left out, and why; no secrets
}

func (f *found) leave(format string, args ...any) {
	f.left = append(f.left, fmt.Sprintf(format, args...))
}

func (f *found) wipe() {
	for _, k := range f.keys {
		k.private.Wipe()
	}
}

// errPassword means that the password is another one, or that the file is damaged: the forms do not
// tell the two apart.
var errPassword = errors.New("the password does not open it, or it is damaged")

// owner is whose a key is.
type owner struct {
	account hive.AccountName
	role    hive.Role
}

// names are whose keys are, by their public keys.
type names map[hive.PublicKey]owner

// texts is a flag that may be given several times. It takes every text: package flag would repeat
// one that it refuses, which may be a private key.
type texts []string

func (t *texts) String() string { return "" }

// Set adds a text.
func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

// add reads STM…=alice/posting.
func (n names) add(text string) error {
	public, whose, ok := strings.Cut(text, "=")
	account, role, ok2 := strings.Cut(whose, "/")
	if !ok || !ok2 {
		return errors.New("wanted STM…=ACCOUNT/ROLE")
	}
	key, err := hive.ParsePublicKey(public)
	if err != nil {
		return errors.New("wanted a public key, STM…, before the =") // never repeated: it may be the private one
	}
	var o owner
	if o.account, err = hive.ParseAccountName(account); err != nil {
		return err
	}
	if o.role, err = hive.ParseRole(role); err != nil || o.role == hive.Owner {
		return errors.New("the role is posting, active, memo or signing; an owner key stays offline")
	}
	if _, twice := n[key]; twice {
		return errors.New("this key was named before")
	}
	n[key] = o
	return nil
}
