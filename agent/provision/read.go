package provision

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pksa/agent/yamlnode"
	"pksa/keystore"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Place is a place of the file, counted from 1. The column is in characters.
type Place struct{ Line, Column int }

// Wanted is what a wallet is to hold. Each part may be empty: then it is not looked at.
type Wanted struct {
	Accounts []Account `json:"accounts,omitempty"`
	Apps     []App     `json:"apps,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
}

// Account is an account of which keys are expected.
type Account struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"` // posting, active, memo or signing

	At []Place `json:"-"` // of each role
}

// App is an app that is to be there.
type App struct {
	Name string `json:"name"`
	// Secret is its secret; empty if the file names none: then the app must be there.
	Secret  secret.Text `json:"secret,omitempty"`
	Answers string      `json:"answers,omitempty"` // nack or documented; empty: as it is

	Source keystore.Source `json:"-"` // of the secret; the zero value if there is none
	At     Place           `json:"-"` // of its name
	AtKey  Place           `json:"-"` // of the source of its secret, or of its name
}

// Session is a session that is to live.
type Session struct {
	App     string        `json:"app"`
	Account string        `json:"account"`
	Key     secret.Text   `json:"key"`              // its auth_key
	Length  time.Duration `json:"length,omitempty"` // if it is made; zero: the usual one

	Source    keystore.Source `json:"-"` // of the auth_key
	AtApp     Place           `json:"-"`
	AtAccount Place           `json:"-"`
	AtKey     Place           `json:"-"`
	AtFor     Place           `json:"-"` // of its length, if one is named
}

// Format writes everything but the secret.
func (a App) Format(f fmt.State, verb rune) { secret.Format(f, verb, a) }

// Format writes everything but the auth_key.
func (s Session) Format(f fmt.State, verb rune) { secret.Format(f, verb, s) }

// The words of the file.
var (
	sections    = []string{"version", "accounts", "apps", "sessions"}
	appKeys     = []string{"secret", "answers"}
	sessionKeys = []string{"app", "account", "key", "for"}
	roles       = []string{hive.Posting.String(), hive.Active.String(), hive.Memo.String(), hive.Signing.String()}
	forms       = []string{"nack", "documented"}
)

// Options is what the caller knows and this package does not.
type Options struct {
	// App returns what is wrong with the name of an app, or nil.
	App func(name string) error
	// Length reads a length of time such as 30d, and returns what is wrong with it.
	Length func(text string) (time.Duration, error)
}

// Parse reads a file. Its name is for complaints. Sources are named in what it returns, not read.
// If any of the problems is an error, the rest is not to be used.
func Parse(file string, src []byte, o Options) (Wanted, yamlnode.Problems) {
	r := &reader{yamlnode.NewReader(yamlnode.Options{File: file, Noun: "what a wallet is to hold",
		// `mybot: {}` names an app that is there: left out, it would be removed by --prune.
		MayBeEmpty: func(depth int) bool { return depth == 2 }}), o}
	root, ok := r.Read(src)
	var w Wanted
	switch {
	case !ok:
	case root == nil:
		r.Complain(&yamlnode.Node{Line: 1, Column: 1}, "the file is empty; begin with `version: 1`")
	default:
		w = r.wanted(root)
	}
	return w, r.Problems()
}

type reader struct {
	*yamlnode.Reader
	o Options
}

func placeOf(n *yamlnode.Node) Place { return Place{n.Line, n.Column} }

func (r *reader) wanted(root *yamlnode.Node) (w Wanted) {
	m, ok := r.Mapping(root, "the file", sections)
	if !ok {
		return w
	}
	if v := m.Value("version"); v != nil {
		if text, ok := r.Scalar(v, "version"); ok && text != "1" {
			r.Complain(v, "version %.20q is not known here; this program reads version 1", text)
		}
	} else if m.Missing("version") {
		r.Complain(root, "version is missing; write `version: 1`")
	}
	if n := m.Value("accounts"); n != nil {
		w.Accounts = r.accounts(n)
	}
	if n := m.Value("apps"); n != nil {
		w.Apps = r.apps(n)
	}
	if n := m.Value("sessions"); n != nil {
		for _, item := range r.Sequence(n, "sessions") {
			if s, ok := r.session(item); ok {
				w.Sessions = append(w.Sessions, s)
			}
		}
	}
	return w
}

// named returns the entries of a map whose keys are names.
func (r *reader) named(n *yamlnode.Node, what, example string) []yamlnode.Entry {
	if r.Bad(n) {
		return nil
	}
	if n.Kind != yamlnode.Map {
		r.Complain(n, "%s is a map, with a line for each, as in %q", what, example)
		return nil
	}
	var entries []yamlnode.Entry
	for _, e := range n.Entries {
		if !r.Bad(e.Key) && !r.Bad(e.Value) {
			entries = append(entries, e)
		}
	}
	return entries
}

func (r *reader) accounts(n *yamlnode.Node) (all []Account) {
	for _, e := range r.named(n, "accounts", "alice: [posting]") {
		if !r.account(e.Key) {
			continue
		}
		a := Account{Name: e.Key.Text}
		seen := map[string]bool{}
		for _, item := range e.Value.Each() {
			role, ok := r.role(item)
			if ok && seen[role] {
				r.Complain(item, "%s stands here twice", role)
			}
			if seen[role] = true; ok {
				a.Roles, a.At = append(a.Roles, role), append(a.At, placeOf(item))
			}
		}
		all = append(all, a)
	}
	return all
}

// role reads the role of a key that is expected.
func (r *reader) role(n *yamlnode.Node) (string, bool) {
	if n.Kind == yamlnode.Scalar && n.Text == hive.Owner.String() {
		r.Complain(n, "an owner key is never held here; keep it offline")
		return "", false
	}
	return r.OneOf(n, "the role of a key", roles...)
}

// account reads the name of an account, and complains unless it can be one.
func (r *reader) account(n *yamlnode.Node) bool {
	text, ok := r.Scalar(n, "the account")
	if !ok {
		return false
	}
	if _, err := hive.ParseAccountName(text); err != nil {
		r.Complain(n, "%.40q: %v", text, err)
		return false
	}
	return true
}

// app reads the name of an app, and complains unless it can be one.
func (r *reader) app(n *yamlnode.Node) bool {
	text, ok := r.Scalar(n, "the app")
	if !ok {
		return false
	}
	if err := r.o.App(text); err != nil {
		r.Complain(n, "%v", err)
		return false
	}
	return true
}

func (r *reader) apps(n *yamlnode.Node) (all []App) {
	for _, e := range r.named(n, "apps", "mybot: {secret: file:/etc/pksa/mybot}") {
		ok := r.app(e.Key)
		m, isMap := r.Mapping(e.Value, "an app", appKeys)
		if !ok || !isMap {
			continue
		}
		a := App{Name: e.Key.Text, At: placeOf(e.Key), AtKey: placeOf(e.Key)}
		if v := m.Value("secret"); v != nil {
			a.Source, a.AtKey = r.source(v, "secret"), placeOf(v)
		}
		if v := m.Value("answers"); v != nil {
			a.Answers, _ = r.OneOf(v, "answers", forms...)
		}
		all = append(all, a)
	}
	return all
}

func (r *reader) session(n *yamlnode.Node) (s Session, ok bool) {
	m, ok := r.Mapping(n, "a session", sessionKeys)
	if !ok {
		return s, false
	}
	for _, key := range []string{"app", "account", "key"} {
		if m.Missing(key) {
			r.Complain(n, "%s is missing: a session is {app: mybot, account: alice, key: file:PATH}", key)
			return s, false
		}
	}
	app, account, key := m.Value("app"), m.Value("account"), m.Value("key")
	if app == nil || account == nil || key == nil {
		return s, false // misspelt, and complained about
	}
	if r.app(app) {
		s.App, s.AtApp = app.Text, placeOf(app)
	}
	if r.account(account) {
		s.Account, s.AtAccount = account.Text, placeOf(account)
	}
	s.Source, s.AtKey = r.source(key, "key"), placeOf(key)
	if v := m.Value("for"); v != nil {
		if text, ok := r.Scalar(v, "for"); ok {
			s.AtFor = placeOf(v)
			var err error
			if s.Length, err = r.o.Length(text); err != nil {
				r.Complain(v, "for: %v", err)
			}
		}
	}
	return s, true
}

// source reads the name of a source. What is none is not repeated: it may be the secret itself.
func (r *reader) source(n *yamlnode.Node, what string) keystore.Source {
	text, ok := r.Scalar(n, what)
	if !ok {
		return keystore.Source{}
	}
	source, err := keystore.ParseSource(text)
	if err == nil && strings.HasPrefix(text, "identity:") {
		err = errors.New("identity:PATH is for what opens a keystore; name a file with file:PATH")
	}
	if err != nil {
		r.Complain(n, "%s: %v", what, err)
		return keystore.Source{}
	}
	return source
}

// Variables returns the environment variables from which secrets are read.
func (w *Wanted) Variables() (names []string) {
	add := func(source keystore.Source) {
		if name, ok := strings.CutPrefix(source.String(), "env:"); ok {
			names = append(names, name)
		}
	}
	for _, a := range w.Apps {
		add(a.Source)
	}
	for _, s := range w.Sessions {
		add(s.Source)
	}
	return names
}
