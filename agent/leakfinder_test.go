package agent_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// leaks is a hunt: what must not be found, and where it is looked for.
type leaks struct {
	mu      sync.Mutex
	secrets map[string][]byte
	outputs map[string][]byte
}

func newLeaks() *leaks {
	return &leaks{secrets: map[string][]byte{}, outputs: map[string][]byte{}}
}

// hide seeds a secret.
func (l *leaks) hide(name string, secret []byte) {
	if len(secret) < 8 {
		panic(name + " is too short to be looked for")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secrets[name] = bytes.Clone(secret)
}

// keep adds to an output.
func (l *leaks) keep(output string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outputs[output] = append(l.outputs[output], text...)
}

// show keeps a value in every way that fmt and JSON have of showing one.
func (l *leaks) show(output string, values ...any) {
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			l.keep(output+" as "+verb, fmt.Appendf(nil, verb+"\n", v))
		}
		for _, handler := range handlers(slog.LevelDebug, writer{l, output + " in a log"}) {
			slog.New(handler).Info("value", "value", v)
		}
	}
}

// found lists which secrets are where, but those that an output may hold.
func (l *leaks) found(allowed map[string][]string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for name, secret := range l.secrets {
		for form, text := range formsOf(secret) {
			for output, all := range l.outputs {
				if i := bytes.Index(all, text); i >= 0 && !slices.Contains(allowed[output], name) {
					found = append(found, fmt.Sprintf("%s is in %s, as %s", name, output, form))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// formsOf are the bytes of a secret as they are, and as encodings show them, wherever in a longer
// text it stands.
func formsOf(secret []byte) map[string][]byte {
	forms := map[string][]byte{
		"it is":      secret,
		"hex":        []byte(hex.EncodeToString(secret)),
		"HEX":        []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"numbers":    []byte(strings.Trim(fmt.Sprint(secret), "[]")),
		"Go numbers": []byte(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}")),
		"quoted":     []byte(strings.Trim(fmt.Sprintf("%q", secret), `"`)),
		"URL":        []byte(url.QueryEscape(string(secret))),
	}
	for shift := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding,
			"base64 of URLs": base64.RawURLEncoding} {
			// What stands before and after decides about the characters at the ends.
			text := encoding.EncodeToString(append(make([]byte, shift), secret...))
			text = text[[]int{0, 2, 3}[shift]:]
			if (shift+len(secret))%3 != 0 {
				text = text[:len(text)-1]
			}
			forms[fmt.Sprintf("%s from byte %d", name, shift)] = []byte(text)
		}
	}
	return forms
}

// writer keeps what is written to it as an output.
type writer struct {
	leaks  *leaks
	output string
}

func (w writer) Write(p []byte) (int, error) {
	w.leaks.keep(w.output, p)
	return len(p), nil
}

func handlers(level slog.Level, w writer) []slog.Handler {
	o := &slog.HandlerOptions{Level: level, AddSource: true}
	return []slog.Handler{slog.NewTextHandler(writer{w.leaks, w.output + " (text)"}, o),
		slog.NewJSONHandler(writer{w.leaks, w.output + " (JSON)"}, o)}
}

// mustHave makes sure that an output was looked at where there is something to see.
func (l *leaks) mustHave(t *testing.T, output string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !bytes.Contains(l.outputs[output], []byte(text)) {
			t.Errorf("output %s has no %q: was it kept?", output, text)
		}
	}
}
