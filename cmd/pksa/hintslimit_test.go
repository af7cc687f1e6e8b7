package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol/hive"
)

// limitRelease executes what `pksa limit release` says where it gives nothing back, with what gives
// charges back, a ledger, and the commands. An agent would have to wait for minutes until a
// transaction has provably expired.
func (r *hintRun) limitRelease(t *testing.T) {
	l, failed := failedPayment(t)
	var presence node.Presence
	watch := refund.New(refund.Options{
		Ledger: l, Logger: slog.New(slog.DiscardHandler),
		Look:    func(context.Context, hive.TxID, hive.Time) node.Presence { return presence },
		Changed: func(context.Context) {}, Alarm: func(string, ...any) {},
		Charged: func(_ context.Context, fates []ledger.Fate) (map[hive.TxID]refund.Charged, error) {
			f := fates[0]
			return map[hive.TxID]refund.Charged{f.TxID: {Until: f.Until, TxExpires: f.TxExpires,
				Charges: []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "1.1"}}}}, nil
		},
	})
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus:    func(context.Context, []byte) (any, error) { return agent.Status{}, nil },
		agent.MethodLimitList: func(ctx context.Context, _ []byte) (any, error) { return watch.List(ctx) },
		agent.MethodLimitRelease: func(ctx context.Context, params []byte) (any, error) {
			var p agent.ReleaseParams
			if err := control.Decode(params, &p); err != nil {
				return nil, err
			}
			return watch.Release(ctx, p.Number)
		},
	})
	_, last := l.Head()
	one, two := []string{"a.example"}, []string{"a.example", "b.example"}
	for _, c := range []struct {
		number uint64
		absent []string // hosts that do not know the transaction
		say    string
	}{
		{1, two, "is no request that was judged"},
		{failed + 2, two, "is not kept any more, or was never made"}, // skipped when the ledger was accepted
		{failed + 100, two, "there is no record"},
		{failed + 1, nil, "is about request"},
		{failed, nil, "no node says so now"},
		{failed, one, "only a.example says so"},
	} {
		presence = node.Presence{Absent: c.absent}
		r.followRelease(t, home, c.number, c.say)
	}
	if _, now := l.Head(); now != last {
		t.Error("something was recorded")
	}
	// What all of them lead to: the nodes answer, and the number is that of the list.
	presence = node.Presence{Absent: two}
	if status, out, said := pksa(t, home, "limit", "release", fmt.Sprint(failed)); status != exitOK {
		t.Errorf("%s%s", out, said)
	}
}

// limitTexts executes what status and the list say of charges that can be given back, and status of
// many accounts.
func (r *hintRun) limitTexts(t *testing.T) {
	charge := refund.Charge{Number: 12, App: "tipbot", Account: "alice", TxID: strings.Repeat("ab", 20),
		State: "not on the chain", Charges: []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "1.1"}}}
	status := agent.Status{Policy: agent.PolicyStatus{Room: []policy.Room{{Limit: policy.RuleRef{Name: "tips"},
		Unit: "HBD", Window: 24 * time.Hour, Used: "1.6", Most: "2", NotOnChain: "1.1"}}}}
	for i := range someAccounts + 1 {
		status.Accounts = append(status.Accounts, agent.AccountStatus{Name: fmt.Sprint("user", i)})
	}
	released := false
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus:    func(context.Context, []byte) (any, error) { return status, nil },
		agent.MethodLimitList: func(context.Context, []byte) (any, error) { return []refund.Charge{charge}, nil },
		agent.MethodLimitRelease: func(context.Context, []byte) (any, error) {
			released = true
			return charge, nil
		},
	})
	s := &spoken{killWorld: &killWorld{t: t, home: home}, hints: r}
	shown := s.says("status")
	s.followed("user20", shown, "(`pksa --home "+home+" status --all")
	if s.follow(s.follow(shown, "1.1 not on the chain"), "transaction abab"); !released {
		t.Error("the charge was not given back")
	}
}

// followRelease runs a release that fails, and the commands that it names.
func (r *hintRun) followRelease(t *testing.T, home string, number uint64, say string) {
	t.Helper()
	status, _, text := pksa(t, home, "limit", "release", fmt.Sprint(number))
	text = strings.Join(strings.Fields(text), " ")
	lines := commandsIn(text)
	if status != exitFailure || !strings.Contains(text, say) || len(lines) == 0 {
		t.Fatalf("release of %d: status %d, %s", number, status, text)
	}
	r.said = append(r.said, text)
	for _, line := range lines {
		line = slices.DeleteFunc(line[1:], func(word string) bool { return word == "--home" || word == home })
		if line[0] == "limit" && line[1] == "release" {
			r.followRelease(t, home, number-1, "no node says so now") // the request of that record, and the next hint
			continue
		}
		status, out, text := pksa(t, home, line...)
		if status != exitOK || line[0] == "limit" && !strings.Contains(out, fmt.Sprintf("%d  failed", 3)) {
			t.Errorf("%v, which the release of %d names: status %d, %s%s", line, number, status, out, text)
		}
	}
}

// failedPayment returns a ledger with a failed payment, and the number of that. After the two
// records of the payment, numbers are skipped.
func failedPayment(t *testing.T) (*ledger.Ledger, uint64) {
	block, err := aes.NewCipher(make([]byte, 32))
	check(t, err)
	aead, err := cipher.NewGCM(block)
	check(t, err)
	o := ledger.Options{ID: "hints", AEAD: aead, Sealer: func(_, _ uint64) cipher.AEAD { return aead },
		Logger: slog.New(slog.DiscardHandler),
		MAC: func(data ...[]byte) []byte {
			h := hmac.New(sha256.New, []byte("hints"))
			for _, d := range data {
				h.Write(d)
			}
			return h.Sum(nil)
		}}
	path := filepath.Join(t.TempDir(), "ledger.db")
	check(t, ledger.Create(path, o))
	l, err := ledger.Open(path, o)
	check(t, err)
	ctx, key := context.Background(), ledger.RequestKey{Relay: "relay", UUID: "payment"}
	_, err = l.AddSlot(ctx, "tipbot", "the secret of the slot, in plain sight", nil)
	check(t, err)
	s, err := l.AddSession(ctx, ledger.NewSession{Account: "alice", App: "tipbot", AuthKey: "k", Origin: ledger.Hand,
		Expires: time.Now().Add(time.Hour)}, nil)
	check(t, err)
	_, err = l.Begin(ledger.Arrival{Key: key, Expires: time.Now().Add(time.Minute)})
	check(t, err)
	until := time.Now().Add(24 * time.Hour)
	out, err := l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: s.ID,
		Nonce: time.Now().UnixMilli()}, func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, TxID: [20]byte{1}, TxBytes: []byte("x"),
			TxExpires: time.Now().Add(-5 * time.Minute), Charges: []ledger.Charge{{Expires: until}}}
	})
	check(t, err)
	check(t, l.Settle(out.Number, ledger.Settlement{Outcome: "expired", ChargedUntil: until}))
	check(t, l.Flush(ctx))
	check(t, l.Close())
	copied, err := os.ReadFile(path)
	check(t, err)
	l, err = ledger.Open(path, o)
	check(t, err)
	for range 5 {
		_, err = l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "forgotten"})
		check(t, err)
	}
	check(t, l.Close())
	check(t, os.WriteFile(path, copied, 0o600))
	_, err = ledger.Accept(path, o, ledger.Acceptance{KeepAll: true})
	check(t, err)
	l, err = ledger.Open(path, o)
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l, out.Number
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
