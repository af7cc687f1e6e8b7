package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pksa/keystore"
	"pksa/protocol/hive"
)

// oldWallet is what keys.json and storage.json of hive-auth-pksa hold (HAS §10).
type oldWallet struct {
	name            string
	secret          string // auth_req_secret
	approveAuth     bool
	rejectAuth      bool
	rejectSign      bool
	rejectChallenge bool
	days            float64 // auth_timeout_days
	relay           string
	relayLine       int
	nodes           []string
	accounts        []oldAccount
	keys            *keystore.Batch
	keysInline      *jsonValue
	files           []string // that were read, all with secrets in the clear
	problems        []error
}

type oldAccount struct {
	name  hive.AccountName
	auths []oldAuth
}

// oldAuth is a session. What its application called itself proves nothing and is only shown.
type oldAuth struct {
	line    int
	key     string
	app     string
	nonce   int64 // ms
	expires time.Time
}

// maxOldFile is far above what the reference wallet could rewrite at each request.
const maxOldFile = 64 << 20

// readOldWallet reads the two files in dir. The error has every complaint, with file and line.
func readOldWallet(dir string) (*oldWallet, error) {
	storage := filepath.Join(dir, "storage.json")
	src, err := readOldFile(storage)
	if err != nil {
		return nil, err
	}
	defer clear(src)
	w := &oldWallet{name: "pksa", days: 1, files: []string{storage}}
	root, err := parseJSON(src)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", storage, err)
	}
	w.read(root)
	for i, problem := range w.problems {
		w.problems[i] = fmt.Errorf("%s:%w", storage, problem)
	}
	return w, errors.Join(append(w.problems, w.readKeys(dir, storage))...)
}

func readOldFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxOldFile+1))
	if err == nil && len(src) > maxOldFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxOldFile>>20)
	}
	return src, err
}

// readKeys reads keys.json, or the keys that storage.json holds itself.
func (w *oldWallet) readKeys(dir, storage string) (err error) {
	path := filepath.Join(dir, "keys.json")
	src, err := readOldFile(path)
	if w.keysInline != nil {
		if err == nil {
			return fmt.Errorf("%s:%d: there are keys here and in %s; move one of the two away", storage,
				w.keysInline.line, path)
		}
		path = storage
		src = append(bytes.Repeat([]byte("\n"), w.keysInline.line-1), w.keysInline.raw...)
	} else if err != nil {
		return err
	} else {
		w.files = append(w.files, path)
	}
	defer clear(src)
	w.keys, err = keystore.ReadKeysJSON(path, bytes.NewReader(src))
	return err
}

// read takes the settings. What it does not know it refuses: it might be a switch that forbids
// something.
func (w *oldWallet) read(root jsonValue) {
	if root.kind != '{' {
		w.complain(complaint{root.line, "wants an object of settings"})
	}
	for _, m := range root.members {
		w.complain(w.readMember(m))
	}
}

func (w *oldWallet) complain(err error) {
	if err != nil {
		w.problems = append(w.problems, err)
	}
}

func (w *oldWallet) readMember(m jsonMember) error {
	switch m.name {
	case "pksa_name":
		return m.text(&w.name)
	case "auth_req_secret":
		return m.text(&w.secret)
	case "auth_req_approve":
		return m.flag(&w.approveAuth)
	case "auth_req_reject":
		return m.flag(&w.rejectAuth)
	case "sign_req_reject":
		return m.flag(&w.rejectSign)
	case "challenge_req_reject":
		return m.flag(&w.rejectChallenge)
	case "auth_timeout_days":
		return w.readDays(m)
	case "has_server":
		w.relayLine = m.value.line
		return m.text(&w.relay)
	case "hive_api":
		return w.readNodes(m)
	case "keys":
		if m.value.kind == '[' && len(m.value.items) > 0 {
			w.keysInline = &m.value
		}
		return nil
	case "hideEncryptedData": // no payload is ever logged here
		var hide bool
		return m.flag(&hide)
	case "accounts":
		return w.readAccounts(m)
	}
	return complaint{m.line, fmt.Sprintf("%q is not known here, and may forbid something; if it does not, take it "+
		"out of a copy of the file", m.name)}
}

func (m jsonMember) text(into *string) error {
	switch v := m.value.value.(type) {
	case string:
		*into = v
		return nil
	case nil:
		if m.value.kind == 0 {
			return nil // null: not set
		}
	}
	return complaint{m.value.line, m.name + " wants a text"}
}

func (m jsonMember) flag(into *bool) error {
	v, ok := m.value.value.(bool)
	if !ok {
		return complaint{m.value.line, m.name + " wants true or false"}
	}
	*into = v
	return nil
}

func (m jsonMember) number() (float64, error) {
	n, ok := m.value.value.(json.Number)
	if ok {
		if f, err := n.Float64(); err == nil && !math.IsInf(f, 0) {
			return f, nil
		}
	}
	return 0, complaint{m.value.line, m.name + " wants a number"}
}

func (w *oldWallet) readDays(m jsonMember) error {
	days, err := m.number()
	if err != nil {
		return err
	}
	if days*24 < 1 || days > 366 {
		return complaint{m.value.line, "auth_timeout_days wants a number of days, at most 366"}
	}
	w.days = days
	return nil
}

// readNodes reads one address or several.
func (w *oldWallet) readNodes(m jsonMember) error {
	items := m.value.items
	if m.value.kind != '[' {
		items = []jsonValue{m.value}
	}
	for _, item := range items {
		var node string
		if err := (jsonMember{m.name, item.line, item}).text(&node); err != nil {
			return err
		}
		if node = strings.TrimSuffix(node, "/"); node != "" && !slices.Contains(w.nodes, node) {
			w.nodes = append(w.nodes, node)
		}
	}
	return nil
}

func (w *oldWallet) readAccounts(m jsonMember) error {
	if m.value.kind != '[' {
		return complaint{m.value.line, "accounts wants a list"}
	}
	for _, item := range m.value.items {
		account, err := w.readAccount(item)
		w.complain(err)
		w.accounts = append(w.accounts, account)
	}
	return nil
}

func (w *oldWallet) readAccount(v jsonValue) (a oldAccount, err error) {
	if v.kind != '{' {
		return a, complaint{v.line, `an account wants {"name": …, "auths": […]}`}
	}
	for _, m := range v.members {
		switch {
		case m.name == "name":
			w.complain(m.account(&a.name))
		case m.name == "auths" && m.value.kind == '[':
			for _, item := range m.value.items {
				auth, err := readOldAuth(item)
				w.complain(err)
				a.auths = append(a.auths, auth)
			}
		default:
			w.complain(complaint{m.line, fmt.Sprintf("%.40q is no entry of an account, or not of the form known here",
				m.name)})
		}
	}
	if !slices.ContainsFunc(v.members, func(m jsonMember) bool { return m.name == "name" }) {
		return a, complaint{v.line, "an account without name"}
	}
	return a, nil
}

func (m jsonMember) account(into *hive.AccountName) error {
	var name string
	if err := m.text(&name); err != nil {
		return err
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return complaint{m.value.line, fmt.Sprintf("%.20q is no account name", name)}
	}
	*into = account
	return nil
}

func readOldAuth(v jsonValue) (oldAuth, error) {
	a := oldAuth{line: v.line}
	if v.kind != '{' {
		return a, complaint{v.line, "an entry of auths wants an object"}
	}
	for _, m := range v.members {
		var err error
		switch m.name {
		case "key":
			err = m.text(&a.key)
		case "app":
			a.app = appName(m.value)
		case "nonce":
			a.nonce, err = m.millis()
		case "expire":
			var ms int64
			ms, err = m.millis()
			a.expires = time.UnixMilli(ms)
		case "ts_create", "ts_expire", "ts_lastused": // for people; expire is what counts
		default:
			err = complaint{m.line, fmt.Sprintf("%.40q is no entry of a session that is known here", m.name)}
		}
		if err != nil {
			return a, err
		}
	}
	if a.key == "" || a.expires.IsZero() {
		return a, complaint{v.line, "a session without key or expire"}
	}
	return a, nil
}

// appName is what an application calls itself: a text, or an object with a name.
func appName(v jsonValue) string {
	if s, ok := v.value.(string); ok {
		return s
	}
	for _, m := range v.members {
		if s, ok := m.value.value.(string); ok && m.name == "name" {
			return s
		}
	}
	return ""
}

// millis reads an instant or nonce in ms, or in seconds as some applications send it (HAS §9.3).
func (m jsonMember) millis() (int64, error) {
	if m.value.value == nil && m.value.kind == 0 {
		return 0, nil
	}
	f, err := m.number()
	if err != nil {
		return 0, err
	}
	if f < 0 || f > 1<<53-1 || f != math.Trunc(f) {
		return 0, complaint{m.value.line, m.name + " wants a whole number of milliseconds"}
	}
	n := int64(f)
	if n < 100_000_000_000 {
		n *= 1000
	}
	return n, nil
}
