package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/control"
	"pksa/agent/lock"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

const lockPolicy = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - {name: votes, request: sign, apps: any, operations: [vote]}
  - {name: pay, request: sign, apps: any, key: active, operations: [transfer: {to: bob}]}
  - {name: texts, request: challenge, apps: any, key: [posting, active, memo], text: {glob: '*'}}
`

// TestLockLeavesNoKeys reads the memory of a wallet that has used all its keys. What it holds of
// them before a lock is not there after it: neither as text, nor as bytes in either order, in one
// of which the curve's library keeps its limbs. Unlocked, the wallet serves as before.
func TestLockLeavesNoKeys(t *testing.T) {
	noRace(t)
	t.Parallel()
	// The hardening would keep this test from the memory, too, unless it is root.
	w := newWorldOf(t, homeParts{policy: lockPolicy, apps: []string{"app"}, accounts: []hive.AccountName{"alice"},
		settings: map[string]string{"hardening": "off"}})
	w.catchUp()
	w.binary = thisProgram(t)
	w.start("")
	defer w.kill()
	w.await("the start", ready)
	secrets := map[string][]byte{}
	for _, role := range worldRoles {
		addForms(t, secrets, role.String(), nodetest.Key("alice", role).WIF())
	}
	addIdentity(t, secrets, filepath.Join(w.home, "identity.txt"))
	app := w.dial("app")
	session := w.useAll(app, nil)
	call := func(method string, params any) {
		t.Helper()
		if err := control.Call(t.Context(), w.cfg.Control, method, params, new(lock.Status)); err != nil {
			t.Fatal(err)
		}
	}
	for _, life := range []string{"the first", "the second"} {
		before := w.holds(secrets)
		for _, role := range worldRoles {
			if !slices.Contains(before, role.String()+" key, lowest byte first") {
				t.Fatalf("%s life: the %s key is not found in use, so this test finds nothing", life, role)
			}
		}
		t.Logf("%s life: in memory are %s", life, strings.Join(before, "; "))
		call(agent.MethodLock, struct{}{})
		if after := w.holds(secrets); len(after) > 0 {
			t.Errorf("%s life: a locked wallet holds %s", life, strings.Join(after, "; "))
		}
		call(agent.MethodUnlock, agent.UnlockParams{})
		w.await("the end of the lock", ready)
		w.useAll(app, session)
	}
}

// useAll has the wallet use each key of alice in each way, in a session, or in a new one.
func (w *killWorld) useAll(app *client.Client, session *client.Session) *client.Session {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), awaitTimeout)
	defer cancel()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatalf("%v\n%s", err, w.stderr.Last(20))
		}
	}
	if session == nil {
		grant, err := app.Authenticate(ctx, client.Auth{Account: "alice", Secret: w.secrets["app"]})
		must(err)
		session = grant.Session
	}
	for _, role := range worldRoles {
		_, err := app.Challenge(ctx, session, client.Challenge{Role: role, Text: "login as alice"})
		must(err)
	}
	for role, op := range map[hive.Role]client.Operation{
		hive.Posting: {Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob", "permlink": "p",
			"weight": 100}},
		hive.Active: {Name: "transfer", Fields: map[string]any{"from": "alice", "to": "bob", "amount": "0.001 HIVE",
			"memo": ""}},
	} {
		_, err := app.Sign(ctx, session, client.SignRequest{Role: role, Operations: []client.Operation{op}})
		must(err)
	}
	return session
}

// addForms adds the forms in which a private key can lie in memory.
func addForms(t *testing.T, forms map[string][]byte, name, wif string) {
	t.Helper()
	raw := decode58(t, wif)[1:33]
	back := slices.Clone(raw)
	slices.Reverse(back)
	for form, text := range map[string][]byte{
		"as a WIF": []byte(wif), "highest byte first": raw, "lowest byte first": back,
		"as hexadecimal digits": []byte(hex.EncodeToString(raw)),
		"as large digits":       []byte(strings.ToUpper(hex.EncodeToString(raw))),
		"as digits from behind": []byte(hex.EncodeToString(back)),
	} {
		forms[name+" key, "+form] = middle(text)
	}
}

// middle returns most of a secret: where a part of it was overwritten, the rest is as bad.
func middle(text []byte) []byte { return text[len(text)/5 : len(text)-len(text)/5] }

// decode58 returns the bytes of a WIF.
func decode58(t *testing.T, text string) []byte {
	t.Helper()
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	raw := make([]byte, 37)
	for _, digit := range text {
		carry := strings.IndexRune(digits, digit)
		for i := len(raw) - 1; i >= 0; i-- {
			carry += 58 * int(raw[i])
			raw[i], carry = byte(carry), carry>>8
		}
		if carry != 0 {
			t.Fatal("no WIF")
		}
	}
	return raw
}

// addIdentity adds the forms of the identity that opens the keystore.
func addIdentity(t *testing.T, forms map[string][]byte, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile(`AGE-SECRET-KEY-1(\w+)`).FindSubmatch(text)[1]
	var raw []byte
	bits, have := 0, 0
	for _, digit := range strings.ToLower(string(body[:len(body)-6])) { // the last six are a checksum
		bits, have = bits<<5|strings.IndexRune("qpzry9x8gf2tvdw0s3jn54khce6mua7l", digit), have+5
		if have >= 8 {
			have -= 8
			raw = append(raw, byte(bits>>have))
		}
	}
	if len(raw) != 32 {
		t.Fatalf("an identity of %d bytes", len(raw))
	}
	forms["identity as text"], forms["identity as bytes"] = middle(body), middle(raw)
}

// holds returns which of the secrets are in the memory of the wallet.
func (w *killWorld) holds(secrets map[string][]byte) []string {
	w.t.Helper()
	process := fmt.Sprintf("/proc/%d/", w.wallet.Process.Pid)
	regions, err := os.ReadFile(process + "maps")
	if err != nil {
		w.t.Fatal(err)
	}
	memory, err := os.Open(process + "mem")
	if err != nil {
		w.t.Fatal(err)
	}
	defer memory.Close()
	found := map[string]bool{}
	written := 0
	for line := range strings.Lines(string(regions)) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			w.t.Fatal(err)
		}
		if !strings.HasPrefix(rights, "rw") {
			continue // nothing writes there
		}
		text := make([]byte, to-from)
		if _, err := memory.ReadAt(text, int64(from)); err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		written += lookFor(secrets, text, found)
	}
	if written < 1<<20 {
		w.t.Fatalf("only %d bytes of memory were written to", written)
	}
	return slices.Sorted(maps.Keys(found))
}

// lookFor notes which of the secrets are in the text, and returns how much of it is not zero.
func lookFor(secrets map[string][]byte, text []byte, found map[string]bool) (written int) {
	const block, overlap = 16 << 10, 256 // longer than a secret
	zeros := make([]byte, block)
	for from := 0; from < len(text); from += block {
		part := text[from:min(from+block, len(text))]
		if bytes.Equal(part, zeros[:len(part)]) {
			continue
		}
		written += len(part)
		part = text[max(0, from-overlap):min(from+block+overlap, len(text))]
		for name, secret := range secrets {
			found[name] = found[name] || bytes.Contains(part, secret)
		}
	}
	maps.DeleteFunc(found, func(_ string, is bool) bool { return !is })
	return written
}
