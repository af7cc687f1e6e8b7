package oldwallet

import (
	"fmt"
	"math"
	"slices"
	"strconv"
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
	case "auth_timeout_days", "token_timeout_days": // the latter up to protocol 0.8
		return w.readDays(m)
	case "auto_approve_auth_req":
		// Every example has it. What approves is auth_req_approve, in every published version.
		w.Unread = append(w.Unread, fmt.Sprintf("%d: %s: no version of hive-auth-pksa reads it", m.Line, m.Name))
		return nil
	case "has_server":
		w.RelayLine = m.Value.Line
		return text(m, &w.Relay)
	case "hive_api":
		return w.readNodes(m)
	case "keys":
		return w.readKeysSetting(m)
	case "hideEncryptedData": // no payload is ever logged here
		var hide bool
		return flag(m, &hide)
	case "accounts":
		return w.readAccounts(m)
	}
	return linejson.Errorf(m.Line, "%s: %w", linejson.ShortName(m.Name), ErrUnknown)
}

// readKeysSetting reads where the keys are: a path, or the keys themselves.
func (w *Wallet) readKeysSetting(m linejson.Member) error {
	if items, err := m.Value.Array(); err == nil {
		if len(items) > 0 {
			w.keysInline = &m.Value
		}
		return nil
	}
	w.keysLine = m.Value.Line
	return text(m, &w.keysPath)
}

// text reads a text; null is not set.
func text[T ~string](m linejson.Member, into *T) error {
	if m.Value.Kind == linejson.Null {
		return nil
	}
	v, err := m.Value.Text()
	if err != nil {
		return linejson.Errorf(m.Value.Line, "%s wants a text", m.Name)
	}
	*into = T(v)
	return nil
}

// flag reads true or false; null is not set.
func flag(m linejson.Member, into *bool) error {
	if m.Value.Kind == linejson.Null {
		return nil
	}
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

const (
	defaultDays = 1 // also what 0 means to hive-auth-pksa
	mostDays    = 366
	fewestDays  = 1.0 / (24 * 60) // policies count in whole minutes here
)

// readDays reads the length of a session. If a file has the old setting and the new one, the
// shorter counts: which of them was read depends on the version.
func (w *Wallet) readDays(m linejson.Member) error {
	if m.Value.Kind == linejson.Null {
		return nil
	}
	days, err := number(m)
	if err != nil {
		return err
	}
	switch {
	case days == 0:
		days = defaultDays
	case days < fewestDays:
		return linejson.Errorf(m.Value.Line, "%s wants a number of days, at least a minute", m.Name)
	case days > mostDays:
		w.Notes = append(w.Notes, fmt.Sprintf("%s was %v; a session lives for %d days at most here", m.Name, days,
			mostDays))
		days = mostDays
	}
	if w.daysRead {
		days = min(days, w.Days)
	}
	w.Days, w.daysRead = days, true
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
			a.Nonce, a.BadNonce = lastNonce(m)
		case "expire":
			var ms int64
			ms, err = millis(m)
			a.Expires = time.UnixMilli(ms)
		case "token":
			a.Token = true // what finds a session in protocol 0.8; here its key does
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

// lastNonce reads the nonce of a session's last request. hive-auth-pksa keeps whatever the
// application sent, if it only compares as larger: a text of digits too, and numbers without bound.
func lastNonce(m linejson.Member) (nonce int64, bad bool) {
	f, err := m.Value.Number()
	if text, noText := m.Value.Text(); noText == nil {
		f, err = strconv.ParseFloat(text, 64)
	}
	switch {
	case m.Value.Kind == linejson.Null:
		return 0, false
	case err != nil || !(f >= 0 && f <= 1<<53-1):
		return 0, true
	}
	return inMillis(int64(math.Ceil(f))), false
}

// millis reads an instant in ms. With some values of auth_timeout_days hive-auth-pksa writes a
// fraction, which is left out.
func millis(m linejson.Member) (int64, error) {
	if m.Value.Kind == linejson.Null {
		return 0, nil
	}
	f, err := number(m)
	if err != nil {
		return 0, err
	}
	if f < 0 || f > 1<<53-1 {
		return 0, linejson.Errorf(m.Value.Line, "%s wants a whole number of milliseconds", m.Name)
	}
	return inMillis(int64(f)), nil
}

// inMillis returns an instant in ms that may be in seconds, as some applications send it (HAS
// §9.3).
func inMillis(n int64) int64 {
	if n < 100_000_000_000 {
		n *= 1000
	}
	return n
}
