package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/host"
	"pksa/protocol/plain"
)

// Notifier is one way in which people are told.
type Notifier struct {
	Kind   string // NotifyNtfy or NotifyWebhook
	URL    string
	Topic  string // of ntfy
	Source string // where the token of ntfy, or the secret of a webhook, is; empty: none
	Full   bool   // what is told has amounts, counterparties and texts
}

// TellsAll reports whether a notifier has content: full.
func (c *Config) TellsAll() bool {
	return slices.ContainsFunc(c.Notify, func(n Notifier) bool { return n.Full })
}

// The kinds of notifiers.
const (
	NotifyNtfy    = "ntfy"
	NotifyWebhook = "webhook"
)

// mostNotifiers bounds the setting notify.
const mostNotifiers = 8

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func readNotifiers(r *reader, n *yamlnode.Node) error {
	var wrong placed
	list := make([]Notifier, 0, len(n.Each()))
	for _, item := range n.Each() {
		one, problems := r.readNotifier(item)
		wrong = append(wrong, problems...)
		if len(problems) == 0 && slices.Contains(list, one) {
			wrong = append(wrong, placedProblem{item, "the same stands here twice"})
		}
		list = append(list, one)
	}
	if len(list) > mostNotifiers {
		wrong = append(wrong, placedProblem{n, fmt.Sprintf("has %d notifiers; %d are the most", len(list),
			mostNotifiers)})
	}
	if len(wrong) > 0 {
		return wrong
	}
	r.config.Notify = list
	return nil
}

// notifierKeys are the members of an entry. Which of them a kind has, readNotifier says.
var notifierKeys = []string{NotifyNtfy, NotifyWebhook, "topic", "token", "secret", "content"}

func (r *reader) readNotifier(n *yamlnode.Node) (one Notifier, wrong placed) {
	const form = "write {ntfy: https://SERVER, topic: NAME} or {webhook: https://…, secret: file:PATH}"
	complain := func(at *yamlnode.Node, format string, args ...any) {
		wrong = append(wrong, placedProblem{at, fmt.Sprintf(format, args...)})
	}
	if n.Kind != yamlnode.Map {
		complain(n, "is no notifier: %s", form)
		return one, wrong
	}
	for _, e := range n.Entries {
		if e.Key.Text == NotifyNtfy || e.Key.Text == NotifyWebhook {
			if one.Kind != "" {
				complain(e.Key, "one entry is one notifier: write %s as an item of its own", e.Key.Text)
				return one, wrong
			}
			one.Kind = e.Key.Text
		}
	}
	given := map[string]bool{}
	for _, e := range n.Entries {
		key := e.Key.Text
		if given[key] {
			continue // YAML has its complaint
		}
		given[key] = true
		if err := r.readNotifierEntry(&one, key, e.Value); errors.Is(err, errNotifierKey) {
			complain(e.Key, "%v", notifierKeyProblem(one.Kind, key))
		} else if err != nil {
			complain(e.Value, "%s: %v", key, err)
		}
	}
	switch {
	case len(wrong) > 0:
	case one.Kind == "":
		complain(n, "neither ntfy nor webhook is given: %s", form)
	case one.Kind == NotifyNtfy && one.Topic == "":
		complain(n, "ntfy wants a topic: a name that nobody guesses, such as what `openssl rand -hex 12` prints")
	case one.Kind == NotifyWebhook && one.Source == "":
		complain(n, "a webhook wants a secret by which the receiver knows the wallet: write secret: file:PATH, and "+
			"make the file with `openssl rand -hex 32`")
	}
	return one, wrong
}

// notifiedBy reports whether a notifier has its token or secret from a source.
func (c *Config) notifiedBy(source string) bool {
	return slices.ContainsFunc(c.Notify, func(n Notifier) bool { return n.Source == source })
}

// errNotifierKey is for a member that the kind of notifier does not have.
var errNotifierKey = errors.New("no member of a notifier")

// notifierKeyProblem returns what is wrong with a member.
func notifierKeyProblem(kind, key string) error {
	switch {
	case key == "command":
		return errors.New("there is no notifier command: a program that this process starts could do with the " +
			"wallet's files what the wallet can; send a webhook to a receiver on this machine, which starts it")
	case slices.Contains(notifierKeys, key) && kind != "":
		return fmt.Errorf("%s is nothing that %s has", key, kind)
	default:
		return fmt.Errorf("%s is no member of a notifier%s", plain.Quote(key, 40),
			plain.DidYouMean(plain.Nearest(key, notifierKeys)))
	}
}

func (r *reader) readNotifierEntry(one *Notifier, key string, n *yamlnode.Node) error {
	v, err := scalar(n)
	if err != nil {
		return err
	}
	switch {
	case key == one.Kind:
		one.URL, err = notifierURL(one.Kind, v)
	case key == "topic" && one.Kind == NotifyNtfy:
		if !topicName.MatchString(v) {
			return errors.New("wants 1 to 64 letters, digits, - and _")
		}
		one.Topic = v
	case key == "token" && one.Kind == NotifyNtfy, key == "secret" && one.Kind == NotifyWebhook:
		one.Source, err = r.notifierSecret(v)
	case key == "content" && (v == "short" || v == "full"):
		one.Full = v == "full"
	case key == "content":
		return fmt.Errorf("wants short or full, not %q", v)
	default:
		return errNotifierKey
	}
	return err
}

// notifierURL checks an address. It quotes none: the path of a webhook is often a secret.
func notifierURL(kind, v string) (string, error) {
	u, err := webURL(v)
	switch {
	case err != nil && strings.Contains(v, "://"):
		return "", errors.New("this is no address such as https://host/path, without user name, password and fragment")
	case err != nil:
		return "", errors.New("wants an address such as https://host")
	case u.Scheme != "https" && !(u.Scheme == "http" && host.Loopback(u.Hostname())):
		return "", errors.New("wants https://; http:// is for this machine only")
	case kind == NotifyNtfy && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery):
		return "", errors.New("wants the server alone, such as https://ntfy.sh; the name under topic says which topic")
	case kind == NotifyNtfy:
		v = u.Scheme + "://" + u.Host
	}
	return v, nil
}

// notifierSecret reads where a token or secret is. A running wallet reads it by itself, and starts
// no programs for it.
func (r *reader) notifierSecret(v string) (string, error) {
	kind, rest, found := strings.Cut(v, ":")
	switch {
	case found && rest != "" && kind == "file":
		return "file:" + r.absolute(rest), nil
	case found && rest != "" && (kind == "env" || kind == "credential"):
		return v, nil
	}
	// Not shown: it may be the secret itself, written here by mistake.
	return "", errors.New("names where the secret is, and is never the secret: write file:PATH, credential:NAME or " +
		"env:NAME")
}

// showNotifiers leaves topics and paths out: who knows them may read, or send.
func showNotifiers(c *Config) string {
	var items []string
	for _, n := range c.Notify {
		item := "{" + n.Kind + ": " + serverOf(n.URL)
		if n.Topic != "" {
			item += ", topic: (hidden)"
		}
		if n.Source != "" {
			item += ", " + map[string]string{NotifyNtfy: "token", NotifyWebhook: "secret"}[n.Kind] + ": " + n.Source
		}
		items = append(items, item+", content: "+cmp.Or(map[bool]string{true: "full"}[n.Full], "short")+"}")
	}
	return inList(items)
}

// serverOf returns an address without its path.
func serverOf(address string) string {
	u, err := webURL(address)
	if err != nil { // unreachable: it was checked
		return ""
	}
	server := u.Scheme + "://" + u.Host
	if server != address {
		server += "/…"
	}
	return server
}
