package oldwallet

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// read reads the settings of storage.json. It refuses a setting that it does not know, because that
// might be a switch that forbids something.
func (w *Wallet) read(root jsonValue) {
	if root.kind != '{' {
		w.complain(complaint{root.line, "wants an object of settings"})
	}
	for _, m := range root.members {
		w.complain(w.readMember(m))
	}
}

func (w *Wallet) complain(err error) {
	if err != nil {
		w.problems = append(w.problems, err)
	}
}

func (w *Wallet) readMember(m jsonMember) error {
	switch m.name {
	case "pksa_name":
		return m.text(&w.Name)
	case "auth_req_secret":
		return m.text(&w.Secret)
	case "auth_req_approve":
		return m.flag(&w.ApproveAuth)
	case "auth_req_reject":
		return m.flag(&w.RejectAuth)
	case "sign_req_reject":
		return m.flag(&w.RejectSign)
	case "challenge_req_reject":
		return m.flag(&w.RejectChallenge)
	case "auth_timeout_days":
		return w.readDays(m)
	case "has_server":
		w.RelayLine = m.value.line
		return m.text(&w.Relay)
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

func (w *Wallet) readDays(m jsonMember) error {
	days, err := m.number()
	if err != nil {
		return err
	}
	if days*24 < 1 || days > 366 {
		return complaint{m.value.line, "auth_timeout_days wants a number of days, at most 366"}
	}
	w.Days = days
	return nil
}

// readNodes reads one address or several.
func (w *Wallet) readNodes(m jsonMember) error {
	items := m.value.items
	if m.value.kind != '[' {
		items = []jsonValue{m.value}
	}
	for _, item := range items {
		var node string
		if err := (jsonMember{m.name, item.line, item}).text(&node); err != nil {
			return err
		}
		if node = strings.TrimSuffix(node, "/"); node != "" && !slices.Contains(w.Nodes, node) {
			w.Nodes = append(w.Nodes, node)
		}
	}
	return nil
}

func (w *Wallet) readAccounts(m jsonMember) error {
	if m.value.kind != '[' {
		return complaint{m.value.line, "accounts wants a list"}
	}
	for _, item := range m.value.items {
		account, err := w.readAccount(item)
		w.complain(err)
		w.Accounts = append(w.Accounts, account)
	}
	return nil
}

func (w *Wallet) readAccount(v jsonValue) (a Account, err error) {
	if v.kind != '{' {
		return a, complaint{v.line, `an account wants {"name": …, "auths": […]}`}
	}
	for _, m := range v.members {
		switch {
		case m.name == "name":
			w.complain(m.account(&a.Name))
		case m.name == "auths" && m.value.kind == '[':
			for _, item := range m.value.items {
				auth, err := readSession(item)
				w.complain(err)
				a.Sessions = append(a.Sessions, auth)
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

func readSession(v jsonValue) (Session, error) {
	var a Session
	if v.kind != '{' {
		return a, complaint{v.line, "an entry of auths wants an object"}
	}
	for _, m := range v.members {
		var err error
		switch m.name {
		case "key":
			err = m.text(&a.Key)
		case "app":
			a.App = appName(m.value)
		case "nonce":
			a.Nonce, err = m.millis()
		case "expire":
			var ms int64
			ms, err = m.millis()
			a.Expires = time.UnixMilli(ms)
		case "ts_create", "ts_expire", "ts_lastused": // for people; expire is what counts
		default:
			err = complaint{m.line, fmt.Sprintf("%.40q is no entry of a session that is known here", m.name)}
		}
		if err != nil {
			return a, err
		}
	}
	if a.Key == "" || a.Expires.IsZero() {
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
