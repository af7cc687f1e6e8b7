package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

// The versions of the content that are read. The second is written where a signing key is kept, the
// third while a key is being rotated, the fourth where a recipient is one of an age plugin, and
// only there: a program that does not know such keys or recipients says that a newer one wrote the
// file, and one that does not meet them can still open it.
const (
	firstVersion    = 1
	signingVersion  = 2
	rotationVersion = 3
	pluginVersion   = 4
	contentVersion  = pluginVersion // the newest
)

// beforeMark begins the member of a key that a rotation replaced, as in old_posting.
const beforeMark = "old_"

// content is what the file holds under its lock, in the form that the package comment gives.
type content struct {
	ledgerID   string
	ledgerKey  [32]byte
	recipients []string
	accounts   map[hive.AccountName]*ring
	before     map[hive.AccountName]*ring // the keys that rotations replaced, kept until these end
	digest     [32]byte                   // of the file that it was read from or written to
}

// ring is the keys of one account, indexed as ringRoles; nil where none is kept.
type ring [len(ringRoles)]*hive.PrivateKey

// ringRoles are the roles that a key can be kept under, lowest first; signing, which belongs to a
// witness and not to its account, comes last.
var ringRoles = [...]hive.Role{hive.Memo, hive.Posting, hive.Active, hive.Signing}

// place returns the index of a role in a ring; false for owner and for what is no role.
func place(role hive.Role) (int, bool) {
	i := slices.Index(ringRoles[:], role)
	return i, i >= 0
}

// version returns the version to write.
func (c *content) version() int {
	if slices.ContainsFunc(c.recipients, isOfPlugin) {
		return pluginVersion
	}
	for _, keys := range c.before {
		if *keys != (ring{}) {
			return rotationVersion
		}
	}
	at, _ := place(hive.Signing)
	for _, keys := range c.accounts {
		if keys[at] != nil {
			return signingVersion
		}
	}
	return firstVersion
}

// newContent makes an empty keystore with a ledger of its own.
func newContent() *content {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: the process ends instead
	c := &content{ledgerID: hex.EncodeToString(id[:]), accounts: make(map[hive.AccountName]*ring),
		before: make(map[hive.AccountName]*ring)}
	_, _ = rand.Read(c.ledgerKey[:])
	return c
}

// wipe overwrites all keys that are still in c.
func (c *content) wipe() {
	clear(c.ledgerKey[:])
	wipeRings(c.accounts)
	wipeRings(c.before)
}

func wipeRings(rings map[hive.AccountName]*ring) {
	for _, keys := range rings {
		keys.wipe()
	}
}

func (r *ring) wipe() {
	for _, key := range r {
		key.Wipe()
	}
}

func (c *content) names() []hive.AccountName { return slices.Sorted(maps.Keys(c.accounts)) }

// encode writes c in one buffer that is large enough from the start: an outgrown buffer would stay
// in memory unwiped. The caller wipes it.
func (c *content) encode() []byte {
	size := 512
	for _, recipient := range c.recipients {
		size += len(recipient) + 8
	}
	size += len(c.accounts) * 320 // a name of 16, four roles, four keys of 51 characters
	size += len(c.before) * 320
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, "{\"version\":%d,\n\"ledger\":{\"id\":%q,\"key\":\"", c.version(), c.ledgerID)
	b = base64.StdEncoding.AppendEncode(b, c.ledgerKey[:])
	b = append(b, "\"},\n\"recipients\":["...)
	for i, recipient := range c.recipients {
		b = appendComma(b, i, "")
		b = strconv.AppendQuote(b, recipient)
	}
	b = append(b, "],\n\"accounts\":["...)
	for i, name := range c.names() {
		b = appendComma(b, i, "\n")
		b = appendAccount(b, name, c.accounts[name], c.before[name])
	}
	return append(b, "\n]}\n"...)
}

func appendComma(b []byte, i int, then string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(b, then...)
}

// appendAccount needs no escapes: names and base58 have no character that JSON escapes.
func appendAccount(b []byte, name hive.AccountName, keys, before *ring) []byte {
	b = append(b, `{"name":"`...)
	b = append(b, name...)
	b = appendKeys(b, "", keys)
	b = appendKeys(b, beforeMark, before)
	return append(b, `"}`...)
}

func appendKeys(b []byte, mark string, keys *ring) []byte {
	for i, role := range ringRoles {
		if keys == nil || keys[i] == nil {
			continue
		}
		b = append(b, `","`...)
		b = append(b, mark...)
		b = append(b, role.String()...)
		b = append(b, `":"`...)
		b = append(b, keys[i].WIF()...)
	}
	return b
}

// decodeContent reads what encode wrote, or what the owner made of it with the age tool and an
// editor: white space and the order of members are free, nothing else is.
func decodeContent(raw []byte) (*content, error) {
	if err := checkVersion(raw); err != nil {
		return nil, err
	}
	c := &content{accounts: make(map[hive.AccountName]*ring), before: make(map[hive.AccountName]*ring)}
	root, err := linejson.Parse(raw)
	if err == nil {
		err = c.read(root)
	}
	if err != nil {
		c.wipe()
		return nil, fmt.Errorf("line %w", err)
	}
	return c, nil
}

// checkVersion comes before the strict reading, because a newer version may have any members. All
// that it must have is "version", a number. encoding/json is lenient enough for that.
func checkVersion(raw []byte) error {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Version == nil {
		return errors.New("not JSON with a version")
	}
	if *head.Version > contentVersion {
		return newer(strconv.Itoa(*head.Version), strconv.Itoa(contentVersion))
	}
	return nil
}

func (c *content) read(root linejson.Value) error {
	v, err := root.Exactly("version", "ledger", "recipients", "accounts")
	if err != nil {
		return err
	}
	parts := []func(linejson.Value) error{readVersion, c.readLedger, c.readRecipients, c.readAccounts}
	for i, read := range parts {
		if err := read(v[i]); err != nil {
			return err
		}
	}
	return nil
}

func readVersion(v linejson.Value) error {
	version, err := v.Int()
	if err == nil && (version < firstVersion || version > contentVersion) {
		err = v.Wrap(fmt.Errorf("wanted %d to %d", firstVersion, contentVersion))
	}
	return err
}

func (c *content) readLedger(v linejson.Value) error {
	members, err := v.Exactly("id", "key")
	if err != nil {
		return err
	}
	id, err := members[0].Text()
	if err != nil {
		return err
	}
	key, err := members[1].Text()
	if err != nil {
		return err
	}
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 || hex.EncodeToString(raw) != id {
		return members[0].Wrap(errors.New("wanted 32 lower-case hexadecimal digits"))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(key)
	defer clear(raw)
	// Go's decoder skips line breaks; the length of the text rules them out.
	if err != nil || len(raw) != len(c.ledgerKey) || len(key) != 44 || bytes.Equal(raw, make([]byte, 32)) {
		return members[1].Wrap(errors.New("wanted base64 of 32 bytes"))
	}
	c.ledgerID, c.ledgerKey = id, [32]byte(raw)
	return nil
}

func (c *content) readRecipients(v linejson.Value) error {
	items, err := v.Array()
	if err != nil {
		return err
	}
	for _, item := range items {
		text, err := item.Text()
		if err != nil {
			return err
		}
		if _, err := parseRecipient(text); err != nil {
			return item.Wrap(err)
		}
		if slices.Contains(c.recipients, text) {
			return item.Wrap(errors.New("a recipient comes twice"))
		}
		c.recipients = append(c.recipients, text)
	}
	return nil
}

func (c *content) readAccounts(v linejson.Value) error {
	items, err := v.Array()
	for _, item := range items {
		if err = c.readAccount(item); err != nil {
			break
		}
	}
	return err
}

func (c *content) readAccount(v linejson.Value) error {
	keys, before := new(ring), new(ring)
	name, err := readKeys(v, keys, before)
	if err == nil {
		err = c.putAccount(v, name, keys)
	}
	if err == nil {
		err = c.putBefore(v, hive.AccountName(name), before)
	}
	if err != nil {
		keys.wipe()
		before.wipe()
	}
	return err
}

// readKeys reads the keys of an account, and those that rotations replaced. It returns its name.
func readKeys(v linejson.Value, keys, before *ring) (name string, err error) {
	members, err := v.Object()
	if err != nil {
		return "", err
	}
	for _, m := range members {
		text, err := m.Value.Text()
		if err != nil {
			return "", err
		}
		if m.Name == "name" {
			name = text
			continue
		}
		to := keys
		role, replaced := strings.CutPrefix(m.Name, beforeMark)
		if replaced {
			to = before
		}
		at, ok := place(readRole(role))
		if !ok {
			return "", m.Unknown()
		}
		to[at], err = hive.ParseWIF(text)
		wipeText(text) // the only copy: a Value refers to its file, and to this
		if err != nil {
			return "", m.Value.Wrap(ErrMalformedKey) // hive's error may hold pieces of the key
		}
	}
	return name, nil
}

// putAccount takes an account with the keys that it has. One without keys is an error.
func (c *content) putAccount(v linejson.Value, name string, keys *ring) error {
	account, err := hive.ParseAccountName(name)
	switch {
	case err != nil:
		return v.Wrap(ErrBadAccount)
	case c.accounts[account] != nil:
		return v.Wrap(fmt.Errorf("account %s comes twice", account))
	case *keys == (ring{}):
		return v.Wrap(fmt.Errorf("account %s has no key", account))
	}
	c.accounts[account] = keys
	return nil
}

// putBefore takes the keys that rotations replaced. Each has one in its place.
func (c *content) putBefore(v linejson.Value, account hive.AccountName, before *ring) error {
	keys := c.accounts[account]
	for i, old := range before {
		switch {
		case old == nil:
		case keys[i] == nil:
			return v.Wrap(fmt.Errorf("account %s has no key in the place of its %s%s", account, beforeMark,
				ringRoles[i]))
		case keys[i].Public() == old.Public():
			return v.Wrap(fmt.Errorf("account %s has one key as %s%s and %[3]s", account, beforeMark, ringRoles[i]))
		}
	}
	if *before != (ring{}) {
		c.before[account] = before
	}
	return nil
}
