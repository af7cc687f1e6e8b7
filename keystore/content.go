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

	"pksa/protocol/hive"
)

// contentVersion is the one version of the content that we write and read.
const contentVersion = 1

// content is what the file holds under its lock, in the form that the package comment gives.
type content struct {
	ledgerID   string
	ledgerKey  [32]byte
	recipients []string
	accounts   map[hive.AccountName]*ring
}

// ring holds the keys of one account, at the place of their role; nil where none is kept.
type ring [3]*hive.PrivateKey

// ringRoles are the roles that a key can be kept under, lowest first.
var ringRoles = [...]hive.Role{hive.Memo, hive.Posting, hive.Active}

// place is the index of a role in a ring; false for owner and for what is no role.
func place(role hive.Role) (int, bool) {
	return int(role) - int(hive.Memo), hive.Memo <= role && role <= hive.Active
}

// newContent is an empty keystore with a ledger of its own.
func newContent() *content {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: the process ends instead
	c := &content{ledgerID: hex.EncodeToString(id[:]), accounts: make(map[hive.AccountName]*ring)}
	_, _ = rand.Read(c.ledgerKey[:])
	return c
}

// wipe overwrites all keys that are still in c.
func (c *content) wipe() {
	clear(c.ledgerKey[:])
	for _, keys := range c.accounts {
		for _, key := range keys {
			key.Wipe()
		}
	}
}

func (c *content) names() []hive.AccountName { return slices.Sorted(maps.Keys(c.accounts)) }

// encode writes c in one buffer of sufficient size, so that no outgrown copy is left behind. The
// caller wipes it.
func (c *content) encode() []byte {
	size := 512
	for _, recipient := range c.recipients {
		size += len(recipient) + 8
	}
	size += len(c.accounts) * 256 // a name of 16, three roles, three keys of 51 characters
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, "{\"version\":%d,\n\"ledger\":{\"id\":%q,\"key\":\"", contentVersion, c.ledgerID)
	b = base64.StdEncoding.AppendEncode(b, c.ledgerKey[:])
	b = append(b, "\"},\n\"recipients\":["...)
	for i, recipient := range c.recipients {
		b = appendComma(b, i, "")
		b = strconv.AppendQuote(b, recipient)
	}
	b = append(b, "],\n\"accounts\":["...)
	for i, name := range c.names() {
		b = appendComma(b, i, "\n")
		b = appendAccount(b, name, c.accounts[name])
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
func appendAccount(b []byte, name hive.AccountName, keys *ring) []byte {
	b = append(b, `{"name":"`...)
	b = append(b, name...)
	for i, role := range ringRoles {
		if keys[i] == nil {
			continue
		}
		b = append(b, `","`...)
		b = append(b, role.String()...)
		b = append(b, `":"`...)
		b = append(b, keys[i].WIF()...)
	}
	return append(b, `"}`...)
}

// decodeContent reads what encode wrote, or what the owner made of it with the age tool and an
// editor: white space and the order of members are free, nothing else is.
func decodeContent(raw []byte) (*content, error) {
	if err := checkVersion(raw); err != nil {
		return nil, err
	}
	c := &content{accounts: make(map[hive.AccountName]*ring)}
	if err := readJSON(raw, c.read); err != nil {
		c.wipe()
		return nil, err
	}
	return c, nil
}

// checkVersion comes before the strict reading: a newer version may have any shape.
func checkVersion(raw []byte) error {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Version == nil {
		return errors.New("not JSON with a version")
	}
	if *head.Version > contentVersion {
		return fmt.Errorf("%w (version %d; this one knows %d)", ErrNewerVersion, *head.Version, contentVersion)
	}
	return nil
}

func (c *content) read(r *jsonReader) error {
	var version int
	members := map[string]func() error{
		"version":    func() error { return r.integer(&version) },
		"ledger":     func() error { return c.readLedger(r) },
		"recipients": func() error { return c.readRecipients(r) },
		"accounts":   func() error { return r.array(func() error { return c.readAccount(r) }) },
	}
	if err := r.exactly(members); err != nil {
		return err
	}
	if version != contentVersion {
		return errors.New("version: wanted 1")
	}
	return nil
}

// exactly reads an object that has each of these members and no other.
func (r *jsonReader) exactly(members map[string]func() error) error {
	found := 0
	err := r.object(func(name string) (bool, error) {
		read, ok := members[name]
		if !ok {
			return false, nil
		}
		found++
		return true, read()
	})
	if err == nil && found != len(members) {
		err = errors.New("a member is missing")
	}
	return err
}

func (c *content) readLedger(r *jsonReader) error {
	var id, key string
	err := r.exactly(map[string]func() error{
		"id":  func() error { return r.text(&id) },
		"key": func() error { return r.text(&key) },
	})
	if err != nil {
		return err
	}
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 || hex.EncodeToString(raw) != id {
		return errors.New("id: wanted 32 lower-case hexadecimal digits")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(key)
	defer clear(raw)
	// Go's decoder skips line breaks; the length of the text rules them out.
	if err != nil || len(raw) != len(c.ledgerKey) || len(key) != 44 || bytes.Equal(raw, make([]byte, 32)) {
		return errors.New("key: wanted base64 of 32 bytes")
	}
	c.ledgerID, c.ledgerKey = id, [32]byte(raw)
	return nil
}

func (c *content) readRecipients(r *jsonReader) error {
	return r.array(func() error {
		var text string
		if err := r.text(&text); err != nil {
			return err
		}
		if _, err := parseRecipient(text); err != nil {
			return err
		}
		if slices.Contains(c.recipients, text) {
			return errors.New("a recipient comes twice")
		}
		c.recipients = append(c.recipients, text)
		return nil
	})
}

func (c *content) readAccount(r *jsonReader) error {
	var name string
	var texts [len(ringRoles)]*string
	if err := r.accountObject(&name, &texts); err != nil {
		return err
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return ErrBadAccount
	}
	if c.accounts[account] != nil {
		return fmt.Errorf("account %s comes twice", account)
	}
	keys, err := parseRing(texts)
	if err != nil {
		return fmt.Errorf("%s/%w", account, err)
	}
	c.accounts[account] = keys
	return nil
}

// accountObject reads the name and the texts under the names of roles; nil where there is none.
func (r *jsonReader) accountObject(name *string, texts *[len(ringRoles)]*string) error {
	return r.object(func(member string) (bool, error) {
		if member == "name" {
			return true, r.text(name)
		}
		for i, role := range ringRoles {
			if member == role.String() {
				texts[i] = new(string)
				return true, r.text(texts[i])
			}
		}
		return false, nil
	})
}

// parseRing reads the keys of one account. An account without keys is an error.
func parseRing(texts [len(ringRoles)]*string) (*ring, error) {
	keys := new(ring)
	for i, text := range texts {
		if text == nil {
			continue
		}
		key, err := hive.ParseWIF(*text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ringRoles[i], ErrMalformedKey)
		}
		keys[i] = key
	}
	if *keys == (ring{}) {
		return nil, errors.New("no key")
	}
	return keys, nil
}
