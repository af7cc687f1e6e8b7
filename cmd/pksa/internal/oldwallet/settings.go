package oldwallet

import (
	"math"
	"slices"
	"strings"
	"time"

	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

// read reads the settings of storage.json. It refuses a setting that it does not know, because that
// might be a switch that forbids something.
func (w *Wallet) read(root linejson.Value) {
	members, err := root.Object()
	if err != nil {
		w.complain(linejson.Errorf(root.Line, "wants an object of settings"))
	}
	for _, m := range members {
		w.complain(w.readMember(m))
	}
}

func (w *Wallet) complain(err error) {
	if err != nil {
		w.problems = append(w.problems, err)
	}
}

func (w *Wallet) readMember(m linejson.Member) error {
	switch m.Name {
	case "pksa_name":
		return text(m, &w.Name)
	case "auth_req_secret":
		return text(m, &w.Secret)
	case "auth_req_approve":
		return flag(m, &w.ApproveAuth)
	case "auth_req_reject":
		return flag(m, &w.RejectAuth)
	case "sign_req_reject":
		return flag(m, &w.RejectSign)
	case "challenge_req_reject":
		return flag(m, &w.RejectChallenge)
	case "auth_timeout_days":
		return w.readDays(m)
	case "has_server":
		w.RelayLine = m.Value.Line
		return text(m, &w.Relay)
	case "hive_api":
		return w.readNodes(m)
	case "keys":
		if items, err := m.Value.Array(); err == nil && len(items) > 0 {
			w.keysInline = &m.Value
		}
		return nil
	case "hideEncryptedData": // no payload is ever logged here
		var hide bool
		return flag(m, &hide)
	case "accounts":
		return w.readAccounts(m)
	}
	return linejson.Errorf(m.Line, "%s is not known here, and may forbid something; if it does not, take it "+
		"out of a copy of the file", linejson.ShortName(m.Name))
}

// text reads a text; null is not set.
func text(m linejson.Member, into *string) error {
	if m.Value.Kind == linejson.Null {
		return nil
	}
	v, err := m.Value.Text()
	if err != nil {
		return linejson.Errorf(m.Value.Line, "%s wants a text", m.Name)
	}
	*into = v
	return nil
}

func flag(m linejson.Member, into *bool) error {
	v, err := m.Value.Bool()
	if err != nil {
		return linejson.Errorf(m.Value.Line, "%s wants true or false", m.Name)
	}
	*into = v
	return nil
}

func number(m linejson.Member) (float64, error) {
	n, err := m.Value.Number()
	if err != nil {
		return 0, linejson.Errorf(m.Value.Line, "%s wants a number", m.Name)
	}
	return n, nil
}

func (w *Wallet) readDays(m linejson.Member) error {
	days, err := number(m)
	if err != nil {
		return err
	}
	if days*24 < 1 || days > 366 {
		return linejson.Errorf(m.Value.Line, "auth_timeout_days wants a number of days, at most 366")
	}
	w.Days = days
	return nil
}

// readNodes reads one address or several.
func (w *Wallet) readNodes(m linejson.Member) error {
	items, err := m.Value.Array()
	if err != nil {
		items = []linejson.Value{m.Value}
	}
	for _, item := range items {
		var node string
		if err := text(linejson.Member{Name: m.Name, Line: item.Line, Value: item}, &node); err != nil {
			return err
		}
		if node = strings.TrimSuffix(node, "/"); node != "" && !slices.Contains(w.Nodes, node) {
			w.Nodes = append(w.Nodes, node)
		}
	}
	return nil
}

func (w *Wallet) readAccounts(m linejson.Member) error {
	items, err := m.Value.Array()
	if err != nil {
		return linejson.Errorf(m.Value.Line, "accounts wants a list")
	}
	for _, item := range items {
		account, err := w.readAccount(item)
		w.complain(err)
		w.Accounts = append(w.Accounts, account)
	}
	return nil
}

func (w *Wallet) readAccount(v linejson.Value) (a Account, err error) {
	members, err := v.Object()
	if err != nil {
		return a, linejson.Errorf(v.Line, `an account wants {"name": …, "auths": […]}`)
	}
	for _, m := range members {
		items, noArray := m.Value.Array()
		switch {
		case m.Name == "name":
			w.complain(account(m, &a.Name))
		case m.Name == "auths" && noArray == nil:
			for _, item := range items {
				auth, err := readSession(item)
				w.complain(err)
				a.Sessions = append(a.Sessions, auth)
			}
		default:
			w.complain(linejson.Errorf(m.Line, "%.40q is no entry of an account, or not of the form known here",
				m.Name))
		}
	}
	if !slices.ContainsFunc(members, func(m linejson.Member) bool { return m.Name == "name" }) {
		return a, linejson.Errorf(v.Line, "an account without name")
	}
	return a, nil
}

func account(m linejson.Member, into *hive.AccountName) error {
	var name string
	if err := text(m, &name); err != nil {
		return err
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return linejson.Errorf(m.Value.Line, "%.20q is no account name", name)
	}
	*into = account
	return nil
}

func readSession(v linejson.Value) (Session, error) {
	var a Session
	members, err := v.Object()
	if err != nil {
		return a, linejson.Errorf(v.Line, "an entry of auths wants an object")
	}
	for _, m := range members {
		var err error
		switch m.Name {
		case "key":
			err = text(m, &a.Key)
		case "app":
			a.App = appName(m.Value)
		case "nonce":
			a.Nonce, err = millis(m)
		case "expire":
			var ms int64
			ms, err = millis(m)
			a.Expires = time.UnixMilli(ms)
		case "ts_create", "ts_expire", "ts_lastused": // for people; expire is what counts
		default:
			err = linejson.Errorf(m.Line, "%.40q is no entry of a session that is known here", m.Name)
		}
		if err != nil {
			return a, err
		}
	}
	if a.Key == "" || a.Expires.IsZero() {
		return a, linejson.Errorf(v.Line, "a session without key or expire")
	}
	return a, nil
}

// appName returns what an application calls itself: a text, or an object with a name.
func appName(v linejson.Value) string {
	if s, err := v.Text(); err == nil {
		return s
	}
	members, _ := v.Object() // none if it is something else
	for _, m := range members {
		if s, err := m.Value.Text(); err == nil && m.Name == "name" {
			return s
		}
	}
	return ""
}

// millis reads an instant or nonce in ms, or in seconds as some applications send it (HAS §9.3).
func millis(m linejson.Member) (int64, error) {
	if m.Value.Kind == linejson.Null {
		return 0, nil
	}
	f, err := number(m)
	if err != nil {
		return 0, err
	}
	if f < 0 || f > 1<<53-1 || f != math.Trunc(f) {
		return 0, linejson.Errorf(m.Value.Line, "%s wants a whole number of milliseconds", m.Name)
	}
	n := int64(f)
	if n < 100_000_000_000 {
		n *= 1000
	}
	return n, nil
}
