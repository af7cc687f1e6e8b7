package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pksa/agent/client"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/secret"
)

const mark = "SECRETSECRETSECRET"

// secretHolders are the types of this package that hold secrets, with one in each place for one.
func secretHolders() map[string]any {
	link := protocol.PairingLink{Account: "alice", UUID: "00000000-0000-4000-8000-000000000001", Key: mark,
		Host: "wss://x"}
	pr := &pairing{link: secret.Hide(link), app: "app"}
	r := &run{app: "app", authKey: secret.Hide(mark), session: &ledger.Session{AuthKey: mark, Token: mark}, pairing: pr}
	return map[string]any{
		"run": r, "pairing": pr, "pairings": &pairings{links: map[pairKey]*pairing{{"alice", "x"}: pr}},
		"proposal":     &proposal{newSession: &ledger.NewSession{AuthKey: mark, Token: mark}},
		"hidden":       secret.Hide(mark),
		"hidden link":  secret.Hide(link),
		"ReloadParams": ReloadParams{Secret: control.Secret(mark)},
	}
}

// partlySecret are the types that are secret in part, with a secret in each place for one. The word
// "readable" stands in a member that is not.
func partlySecret() map[string]any {
	return map[string]any{
		"AppInfo":          AppInfo{Name: "readable", Secret: mark},
		"SessionInfo":      SessionInfo{App: "readable", AuthKey: mark},
		"Slot":             ledger.Slot{Name: "readable", Secret: mark},
		"Session":          ledger.Session{App: "readable", AuthKey: mark, Token: mark},
		"NewSession":       ledger.NewSession{App: "readable", AuthKey: mark, Token: mark},
		"PairingLink":      protocol.PairingLink{Account: "alice", UUID: "readable", Key: mark, Host: "wss://x"},
		"ChallengeAckData": protocol.ChallengeAckData{Challenge: mark},
		"AuthAckData":      protocol.AuthAckData{Token: mark, Challenge: &protocol.ChallengeAckData{Challenge: mark}},
		"Auth":             client.Auth{Account: "readable", Session: client.NewSession("alice", mark), Secret: mark},
		"Login":            client.Login{Account: "readable", Secret: mark},
		"Proof":            client.Proof{Text: mark},
		"AuthReqData":      protocol.AuthReqData{Token: mark},
		"Grant": client.Grant{Session: client.NewSession("alice", mark),
			Proof: &client.Proof{Text: mark}},
		"AppParams":      AppParams{Name: "readable", Secret: control.Secret(mark)},
		"PairParams":     PairParams{App: "readable", Link: control.Secret(mark)},
		"SessionRequest": SessionRequest{App: "readable", AuthKey: control.Secret(mark)},
	}
}

// shownBy gives everything that fmt and the loggers make of a value: alone, behind a pointer, in an
// exported and in an unexported field, in a list and in a map.
func shownBy(v any) string {
	var b bytes.Buffer
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	loggers := []*slog.Logger{slog.New(slog.NewTextHandler(&b, o)), slog.New(slog.NewJSONHandler(&b, o))}
	pointer := reflect.New(reflect.TypeOf(v))
	pointer.Elem().Set(reflect.ValueOf(v))
	for _, shape := range []any{v, pointer.Interface(), struct{ V any }{v}, struct{ V any }{pointer.Interface()},
		[]any{v}, map[string]any{"v": v}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&b, verb+"\n", shape)
		}
		for _, log := range loggers {
			log.With("v", shape).Info("value", "v", shape, slog.Group("g", "v", shape))
		}
	}
	return b.String()
}

func leaked(text string) bool {
	return strings.Contains(text, mark) || strings.Contains(text, fmt.Sprintf("%x", mark)) ||
		strings.Contains(text, fmt.Sprintf("%X", mark)) ||
		strings.Contains(text, strings.Trim(fmt.Sprint([]byte(mark)), "[]")) || strings.Contains(text, "U0VDUkVU")
}

func TestHoldersAreNotShown(t *testing.T) {
	all := secretHolders()
	maps.Copy(all, partlySecret())
	for name, v := range all {
		if text := shownBy(v); leaked(text) {
			t.Errorf("%s shows its secret: %.2000s", name, text)
		}
	}
}

// Who prints a value that is secret in part wants to see the rest.
func TestTheRestIsReadable(t *testing.T) {
	for name, v := range partlySecret() {
		plain, full := fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		for _, text := range []string{plain, full, log.String()} {
			if !strings.Contains(text, secret.Mark) {
				t.Errorf("%s does not say that it hides something: %s", name, text)
			}
			hasMore := strings.Contains(fmt.Sprintf("%#v", v), "readable")
			if hasMore && !strings.Contains(text, "readable") {
				t.Errorf("%s hides more than its secret: %s", name, text)
			}
		}
		if !strings.Contains(full, ":"+secret.Mark) {
			t.Errorf("%s does not name the member that it hides: %s", name, full)
		}
	}
}

// In an unexported field fmt asks no type for its method; what is behind a function is safe there,
// too, even from verbs that do not fit, which follow pointers.
func TestHiddenInUnexportedFields(t *testing.T) {
	pr := secretHolders()["pairing"].(*pairing)
	for _, v := range []any{
		struct{ h secret.Hidden[string] }{secret.Hide(mark)}, struct{ p *pairing }{pr}, struct{ p pairing }{*pr},
		struct{ r run }{run{authKey: secret.Hide(mark), pairing: pr}},
		pairings{links: map[pairKey]*pairing{{"a", "b"}: pr}}.links,
	} {
		if text := shownBy(v); leaked(text) {
			t.Errorf("%T: %.2000s", v, text)
		}
	}
}

// The test must see what is not protected.
func TestLeakedSeesLeaks(t *testing.T) {
	for _, v := range []any{mark, []byte(mark), struct{ S string }{mark}, struct{ s string }{mark},
		struct{ s ledger.Secret }{mark}} {
		if !leaked(shownBy(v)) {
			t.Errorf("not seen in %T", v)
		}
	}
}

// Over the control socket parameters arrive whole, and results show what is shown once.
func TestSecretsAreCarried(t *testing.T) {
	var app AppParams
	carry(t, AppParams{Name: "app", Secret: control.Secret("x\xff" + mark)}, &app)
	if string(app.Secret) != "x\xff"+mark {
		t.Errorf("secret of a slot: %x", []byte(app.Secret))
	}
	var pair PairParams
	carry(t, PairParams{Link: control.Secret(mark)}, &pair)
	var request SessionRequest
	carry(t, SessionRequest{AuthKey: control.Secret(mark)}, &request)
	var reload ReloadParams
	carry(t, ReloadParams{Secret: control.Secret(mark)}, &reload)
	if string(pair.Link) != mark || string(request.AuthKey) != mark || string(reload.Secret) != mark {
		t.Errorf("%x %x %x", []byte(pair.Link), []byte(request.AuthKey), []byte(reload.Secret))
	}
	carry(t, SessionRequest{App: "app"}, &request)
	if len(request.AuthKey) != 0 {
		t.Errorf("no key became %x", []byte(request.AuthKey))
	}
	var shown AppInfo
	carry(t, AppInfo{Name: "app", Secret: mark}, &shown)
	var forPeople strings.Builder
	err := control.Show(&forPeople, []SessionInfo{{AuthKey: mark}})
	if shown.Secret != mark || err != nil || !strings.Contains(forPeople.String(), `"auth_key": "`+mark+`"`) {
		t.Errorf("what is shown once is not: %s, %v", forPeople.String(), err)
	}
}

func carry(t *testing.T, from, to any) {
	t.Helper()
	text, err := control.Encode(from)
	if err == nil {
		err = control.Decode(text, to)
	}
	if err != nil {
		t.Errorf("%T: %v", from, err)
	}
}
