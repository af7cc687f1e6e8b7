package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/notify"
	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// approving runs a test with an agent that people answer with passkeys.
func approving(t *testing.T, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	askedWith(t, policy, config.AskPending, f)
}

// askedWith runs such a test with a value of the setting ask.
func askedWith(t *testing.T, policy, ask string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: policy, fault: script.fault, prepare: func(w *world) { w.session(authKey) },
		configure: func(c *config.Config) {
			c.Ask = ask
			c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
		},
	}, func(t *testing.T, w *world) { f(t, w, script) })
}

// enrol makes somebody an approver.
func (w *world) enrol(name string) *passkeytest.Authenticator {
	w.t.Helper()
	desk, ctx := agent.Approvals(w.agent), w.t.Context()
	invited, err := desk.Add(ctx, approve.NameParams{Name: name})
	w.must(err)
	asked, err := desk.EnrolBegin(ctx, approve.CodeParams{Code: invited.Code})
	w.must(err)
	a := passkeytest.New(name, passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"})
	made := a.Create(asked.Challenge)
	_, err = desk.EnrolFinish(ctx, approve.Enrolment{Code: invited.Code, Challenge: asked.Challenge,
		ClientData: made.ClientData, Attestation: made.Attestation})
	w.must(err)
	return a
}

// approve says yes to a request with a passkey.
func (w *world) approve(a *passkeytest.Authenticator, asked agent.PendingRequest) error {
	w.t.Helper()
	desk, ctx := agent.Approvals(w.agent), w.t.Context()
	ask, err := desk.DecisionBegin(ctx, approve.Ask{Number: asked.Number, Yes: true, Seen: asked.Digest})
	if err != nil {
		return err
	}
	s := a.Sign(ask.Challenge)
	_, err = desk.DecisionFinish(ctx, approve.Decision{Number: asked.Number, Yes: true, Assertion: approve.Assertion{
		Challenge: ask.Challenge, Credential: s.CredentialID, ClientData: s.ClientData,
		AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}})
	return err
}

// A yes with a passkey is carried out, and the trail has its signature.
func TestApproveWithPasskey(t *testing.T) {
	approving(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		anna := w.enrol("anna")
		answer, asked := script.start(w, 1)
		w.must(w.approve(anna, asked))
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Fatalf("after the yes: %s, %d transactions", got, len(w.chain.Transactions()))
		}
		packed, err := hive.Mainnet.Serialize(w.chain.Transactions()[0].Transaction.Transaction)
		w.must(err)
		if digest := hive.Mainnet.SigningDigest(packed); string(asked.Digest) != string(digest[:]) {
			t.Errorf("approved %x, signed %x", asked.Digest, digest)
		}
		if w.approve(anna, asked) == nil {
			t.Error("a second yes was taken")
		}
		found := verifyTrail(w)
		if found.Approvals != 1 || len(found.Problems) > 0 {
			t.Errorf("%+v", found)
		}
	})
}

// Who was removed answers nothing; the request waits on, and a no needs no passkey.
func TestRemovedApproverAnswersNothing(t *testing.T) {
	approving(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		anna, bob := w.enrol("anna"), w.enrol("bob")
		answer, asked := script.start(w, 1)
		params, _ := json.Marshal(approve.NameParams{Name: "anna"})
		_, err := w.agent.Methods()[agent.MethodApproverRemove](context.Background(), params)
		w.must(err)
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "nobody's") {
			t.Errorf("after the removal: %v", err)
		}
		if len(w.pending()) != 1 || len(w.chain.Transactions()) != 0 {
			t.Error("the request does not wait any more")
		}
		other := asked
		other.Digest = make([]byte, 32)
		if w.approve(bob, other) == nil {
			t.Error("a yes to another digest was taken")
		}
		w.must(w.decide(asked.Number, false))
		if got := answerKind(<-answer); got != "nack" {
			t.Errorf("after the no: %s", got)
		}
	})
}

// Where only passkeys count, the command line says no and never yes. Where nobody has a passkey for
// the present address, a request is denied at once, and the trail says why.
func TestOnlyPasskeysSayYes(t *testing.T) {
	askedWith(t, askVotes, config.AskPasskey, func(t *testing.T, w *world, script *scriptedClient) {
		atOnce := func(number int, want string) {
			t.Helper()
			before := time.Now()
			got := answerKind(script.ask(request("sign_req", uuid(number), authKey, votePayload("p", nowNonce()))))
			if took := time.Since(before); got != "nack" || took > 5*time.Second {
				t.Errorf("%s after %s", got, took)
			}
			if c := w.lastJudged(); c.Code != policy.CodeNobodyToAsk || !strings.Contains(c.Reason, want) {
				t.Errorf("%s: %s", c.Code, c.Reason)
			}
		}
		atOnce(1, "nobody has one for the present address")

		w.enrol("anna")
		answer, asked := script.start(w, 2)
		w.must(w.decide(asked.Number, false))
		if got := answerKind(<-answer); got != "nack" {
			t.Errorf("after the no: %s", got)
		}
		_, err := agent.Approvals(w.agent).Remove(t.Context(), approve.NameParams{Name: "anna"})
		w.must(err)
		atOnce(3, "nobody has one for the present address")

		bob := w.enrol("bob")
		answer, asked = script.start(w, 4)
		if !asked.ByPasskey {
			t.Error("the list does not say that a passkey is wanted")
		}
		err = w.decide(asked.Number, true)
		if err == nil || !strings.Contains(err.Error(), "only a yes with a passkey") {
			t.Errorf("a yes of the command line: %v", err)
		}
		if len(w.pending()) != 1 || len(w.chain.Transactions()) != 0 {
			t.Fatal("the request does not wait any more")
		}
		w.must(w.approve(bob, asked))
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("after bob's yes: %s, %d transactions", got, len(w.chain.Transactions()))
		}
	})
}

// While the wallet is paused nobody is asked for a signature that comes to nothing.
func TestPausedWalletAsksForNoPasskey(t *testing.T) {
	approving(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		anna := w.enrol("anna")
		answer, asked := script.start(w, 1)
		_, err := w.agent.Methods()[agent.MethodPause](t.Context(), nil)
		w.must(err)
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "paused") {
			t.Errorf("while it is paused: %v", err)
		}
		w.must(w.decide(asked.Number, false))
		<-answer
	})
}

// A message of a request has a link to the page. What may be a copy of an authenticator rings.
func TestTellsApprovers(t *testing.T) {
	policy, _, _ := strings.Cut(askVotes, "limits:")
	o := worldOptions{policy: policy, configure: func(c *config.Config) {
		c.Ask = "pending"
		c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
	}}
	withPhone(t, o, func(t *testing.T, w *world, script *scriptedClient, p *phone) {
		anna := w.enrol("anna")
		answer, asked := script.start(w, 1)
		w.eventually("a message", func() bool { return len(p.of(notify.Waiting)) == 1 && p.shorts() != "" })
		link := fmt.Sprintf("https://wallet.example/request/%d", asked.Number)
		if got := p.of(notify.Waiting)[0]; got.Link != link || !strings.Contains(got.Text, "passkey: "+link+"\n") {
			t.Errorf("%+v", got)
		}
		if short := p.shorts(); !strings.Contains(short, `"click":"`+link+`"`) {
			t.Error(short)
		}
		anna.Counter = 6
		w.must(w.approve(anna, asked))
		<-answer
		answer, asked = script.start(w, 2)
		anna.Counter = 6
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "copy") {
			t.Errorf("a counter that does not rise: %v", err)
		}
		w.eventually("an alarm", func() bool { return len(p.of(notify.Copied)) == 1 })
		w.must(w.decide(asked.Number, false))
		<-answer
	})
}

func verifyTrail(w *world) audit.Verified {
	w.t.Helper()
	found, err := w.agent.Methods()[agent.MethodAuditVerify](w.t.Context(), nil)
	w.must(err)
	return found.(audit.Verified)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

const askTwo = `
version: 1
lists: {board: [anna, bob, carol]}
ask:
  - {name: votes, request: sign, apps: any, operations: [vote], approvers: [$board], approvals: 2}
`

// Where a rule demands two of three people, a yes of one is none: not twice of the same, not of
// somebody else, not of the wallet's own user. The trail has the signature of each.
func TestTwoApprovers(t *testing.T) {
	approving(t, askTwo, func(t *testing.T, w *world, script *scriptedClient) {
		anna, bob, eve := w.enrol("anna"), w.enrol("bob"), w.enrol("eve")
		answer, asked := script.start(w, 1)
		if !asked.ByPasskey || len(asked.Consents) != 1 ||
			asked.Consents[0].String() != "a yes of 2 of anna, bob, carol" {
			t.Errorf("%+v", asked)
		}
		if err := w.decide(asked.Number, true); err == nil || !strings.Contains(err.Error(), "with a passkey") {
			t.Errorf("the command line: %v", err)
		}
		desk := agent.Approvals(w.agent)
		ask, err := desk.DecisionBegin(t.Context(), approve.Ask{Number: asked.Number, Yes: true, Seen: asked.Digest})
		w.must(err)
		if len(ask.Allow) != 2 {
			t.Errorf("%d may say yes", len(ask.Allow))
		}
		if err := w.approve(eve, asked); err == nil || !strings.Contains(err.Error(), "does not count") {
			t.Errorf("eve: %v", err)
		}
		w.must(w.approve(anna, asked))
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("anna again: %v", err)
		}
		if waits := w.pending(); len(waits) != 1 || len(waits[0].SaidYes) != 1 || waits[0].SaidYes[0] != "anna" ||
			len(w.chain.Transactions()) != 0 {
			t.Fatalf("%+v", waits)
		}
		w.must(w.approve(bob, asked))
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("after both: %s, %d transactions", got, len(w.chain.Transactions()))
		}
		if found := verifyTrail(w); found.Approvals != 2 || len(found.Problems) > 0 {
			t.Errorf("%+v", found)
		}

		answer, asked = script.start(w, 2)
		w.must(w.approve(anna, asked))
		w.must(w.decide(asked.Number, false)) // one no is enough
		if got := answerKind(<-answer); got != "nack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("after a no: %s", got)
		}
	})
}

// What counts is who is an approver, and what the rules demand, when the request is admitted: a yes
// of somebody who was removed since is none, and neither is one that was enough before a reload.
func TestYesIsJudgedWhenItIsAdmitted(t *testing.T) {
	removed := func(w *world, name string) {
		_, err := agent.Approvals(w.agent).Remove(w.t.Context(), approve.NameParams{Name: name})
		w.must(err)
	}
	approving(t, askTwo, func(t *testing.T, w *world, script *scriptedClient) {
		anna, bob := w.enrol("anna"), w.enrol("bob")
		denied := func(answer <-chan protocol.Message, want string) {
			t.Helper()
			if got := answerKind(<-answer); got != "nack" || len(w.chain.Transactions()) != 0 {
				t.Errorf("%s, %d transactions", got, len(w.chain.Transactions()))
			}
			if c := w.lastOf(ledger.RecordDecided); c.Code != policy.CodeRefused || !strings.Contains(c.Reason, want) {
				t.Errorf("%s: %s", c.Code, c.Reason)
			}
		}
		answer, asked := script.start(w, 1)
		w.must(w.approve(anna, asked))
		removed(w, "anna")
		w.must(w.approve(bob, asked))
		denied(answer, "of those who may bob said yes")
		anna = w.enrol("anna")

		answer, asked = script.start(w, 2)
		w.write("policy.yaml", strings.Replace(askTwo, "approvals: 2", "approvals: 3", 1))
		w.enrol("carol")
		_, err := w.agent.Methods()[agent.MethodPolicyReload](t.Context(), nil)
		w.must(err)
		w.must(w.approve(anna, asked))
		w.must(w.approve(bob, asked))
		denied(answer, "a yes of 3 of anna, bob, carol")

		removed(w, "carol")
		got := answerKind(script.ask(request("sign_req", uuid(3), authKey, votePayload("p", nowNonce()))))
		if c := w.lastJudged(); got != "nack" || c.Code != policy.CodeNobodyToAsk {
			t.Errorf("too few are enrolled: %s %s", got, c.Code)
		}
	})
}

const askTold = `
version: 1
ask:
  - {name: votes, request: sign, apps: any, operations: [vote], approvers: any, tell_first: true}
  - {name: posts, request: sign, apps: any, operations: [custom_json], approvers: any, tell_first: true}
`

// Where people have to be told first, a yes with a passkey counts once a notifier has taken a
// message with all of the effect, and the trail has which one.
func TestToldFirst(t *testing.T) {
	o := worldOptions{policy: askTold, configure: func(c *config.Config) {
		c.Ask = config.AskPending
		c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
	}}
	withPhone(t, o, func(t *testing.T, w *world, script *scriptedClient, p *phone) {
		anna := w.enrol("anna")
		p.hang(true)
		answer, asked := script.start(w, 1)
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "no yes with a passkey counts") {
			t.Errorf("before anybody was told: %v", err)
		}
		p.hang(false) // what hangs ends after ten seconds, and is tried again
		w.eventually("a message", func() bool { return len(w.pending()[0].ToldBy) == 1 })
		if m := p.of(notify.Waiting); !strings.Contains(m[len(m)-1].Text, asked.Effects[0]) {
			t.Errorf("the message: %s", m[len(m)-1].Text)
		}
		w.must(w.approve(anna, asked))
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("after it: %s, %d transactions", got, len(w.chain.Transactions()))
		}
		if by := w.lastOf(ledger.RecordDecided).ToldBy; by == nil || by.Notifier != "webhook" ||
			by.Server != "https://hooks.example" || by.At.IsZero() {
			t.Errorf("recorded: %+v", by)
		}

		// What the words of an effect leave out stands behind them; what fits no message is denied.
		post := func(n, size int) map[string]any {
			return request("sign_req", uuid(n), authKey, fmt.Sprintf(`{"key_type":"posting","ops":[["custom_json",`+
				`{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"{\"a\":\"%s\"}"}]],`+
				`"broadcast":true,"nonce":%d}`, strings.Repeat("z", size), nowNonce()))
		}
		done := make(chan string, 1)
		go func() { done <- answerKind(script.ask(post(2, 900))) }()
		w.eventually("a message", func() bool { return len(w.pending()) == 1 && len(w.pending()[0].ToldBy) == 1 })
		if m := p.of(notify.Waiting); !strings.Contains(m[len(m)-1].Text, strings.Repeat("z", 900)) {
			t.Errorf("cut: %s", m[len(m)-1].Text)
		}
		w.must(w.decide(w.pending()[0].Number, false))
		<-done
		if got := answerKind(script.ask(post(3, 4000))); got != "nack" {
			t.Error(got)
		}
		if c := w.lastOf(ledger.RecordDecided); c.Code != policy.CodeNobodyToAsk ||
			!strings.Contains(c.Reason, "fits no message") {
			t.Errorf("%s: %s", c.Code, c.Reason)
		}
	})
}

// Where no notifier tells all, a rule that has people told first denies at once. One that comes
// into force while a request waits counts for it.
func TestNobodyToTellFirst(t *testing.T) {
	approving(t, strings.Replace(askTold, ", tell_first: true", "", 1), func(t *testing.T, w *world,
		script *scriptedClient) {
		anna := w.enrol("anna")
		answer, asked := script.start(w, 1)
		w.write("policy.yaml", askTold)
		_, err := w.agent.Methods()[agent.MethodPolicyReload](t.Context(), nil)
		w.must(err)
		w.must(w.approve(anna, asked))
		if got := answerKind(<-answer); got != "nack" || len(w.chain.Transactions()) != 0 {
			t.Errorf("%s, %d transactions", got, len(w.chain.Transactions()))
		}
		if c := w.lastOf(ledger.RecordDecided); c.Code != policy.CodeRefused ||
			!strings.Contains(c.Reason, "told first") {
			t.Errorf("%s: %s", c.Code, c.Reason)
		}
		got := answerKind(script.ask(request("sign_req", uuid(2), authKey, votePayload("p", nowNonce()))))
		if c := w.lastJudged(); got != "nack" || c.Code != policy.CodeNobodyToAsk ||
			!strings.Contains(c.Reason, "notify") {
			t.Errorf("%s %s: %s", got, c.Code, c.Reason)
		}
		// At the command line people see what they say yes to.
		w.write("policy.yaml", strings.ReplaceAll(askTold, "approvers: any, ", ""))
		_, err = w.agent.Methods()[agent.MethodPolicyReload](t.Context(), nil)
		w.must(err)
		answer, asked = script.start(w, 3)
		if err := w.approve(anna, asked); err == nil || !strings.Contains(err.Error(), "told first") {
			t.Errorf("with a passkey: %v", err)
		}
		w.must(w.decide(asked.Number, true))
		if got := answerKind(<-answer); got != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("at the command line: %s", got)
		}
	})
}

// Status, and with it `pksa doctor`, says of a rule whose people are not enrolled, as it is now.
func TestWarnsOfWhoIsNotEnrolled(t *testing.T) {
	approving(t, askTwo, func(t *testing.T, w *world, _ *scriptedClient) {
		warned := func() bool { return strings.Contains(fmt.Sprint(w.agent.Status().Policy.Warnings), "so it denies") }
		if !warned() {
			t.Errorf("at first: %q", w.agent.Status().Policy.Warnings)
		}
		byConsole := func(name string) {
			desk := agent.Approvals(w.agent)
			invited, err := desk.Add(t.Context(), approve.NameParams{Name: name})
			w.must(err)
			asked, err := desk.EnrolBegin(t.Context(), approve.CodeParams{Code: invited.Code})
			w.must(err)
			made := passkeytest.New(name, passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}).
				Create(asked.Challenge)
			params, err := control.Encode(approve.Enrolment{Code: invited.Code, Challenge: asked.Challenge,
				ClientData: made.ClientData, Attestation: made.Attestation})
			w.must(err)
			_, err = w.agent.ConsoleMethods()[agent.MethodEnrolFinish](t.Context(), params)
			w.must(err)
		}
		byConsole("anna")
		byConsole("bob")
		if warned() {
			t.Errorf("with two: %q", w.agent.Status().Policy.Warnings)
		}
		params, _ := json.Marshal(approve.NameParams{Name: "anna"})
		_, err := w.agent.Methods()[agent.MethodApproverRemove](t.Context(), params)
		w.must(err)
		if !warned() {
			t.Errorf("with one: %q", w.agent.Status().Policy.Warnings)
		}
	})
}
