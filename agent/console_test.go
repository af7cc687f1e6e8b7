package agent_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
)

// narrow says of each method of the control socket whether a console may call it, too. What is new
// needs a word here, and is closed to consoles until somebody has thought about it.
var narrow = map[string]bool{
	agent.MethodStatus: true, agent.MethodLive: true, agent.MethodWhereabouts: false,
	agent.MethodAppAdd: false, agent.MethodAppRotate: false, agent.MethodAppRemove: false, agent.MethodAppList: false,
	agent.MethodAppAnswers: false, agent.MethodApply: false,
	agent.MethodSessionAdd: false, agent.MethodSessionList: true, agent.MethodRevoke: true,
	agent.MethodEndSessions: false, // as many at once as a filter takes: on the wallet's machine
	agent.MethodRelease:     false, agent.MethodEndedList: true, agent.MethodForget: false,
	agent.MethodPair: false, agent.MethodPairLook: false,
	agent.MethodPolicyReload: false, agent.MethodKeysReload: false, agent.MethodKeysRelock: false,
	agent.MethodKeysCheck: false, // asks the nodes
	agent.MethodAuditPage: true,
	// Reads the whole trail: a console shall not keep the disk busy.
	agent.MethodAuditVerify: false, agent.MethodVerifying: false,
	agent.MethodPending: true, agent.MethodPendingWhole: true, agent.MethodLogins: true,
	agent.MethodDecide:    false, // a yes without an assertion
	agent.MethodLimitList: false, agent.MethodLimitRelease: false,
	agent.MethodGuardList: false, agent.MethodGuardAccept: false, agent.MethodCanary: false,
	agent.MethodLedgerCopy: false, agent.MethodReload: false,
	// Who may approve is decided on the wallet's machine.
	agent.MethodApproverAdd: false, agent.MethodApproverList: false, agent.MethodApproverRemove: false,
	agent.MethodPause: true, agent.MethodResume: false, // whoever stops needs not be who starts
	agent.MethodSettings: false, agent.MethodLock: false, agent.MethodUnlock: false, agent.MethodNotifyTest: false,
}

// onlyConsole are the methods that the console's socket alone has.
var onlyConsole = []string{agent.MethodAppNames, agent.MethodAbout, agent.MethodDecisionBegin,
	agent.MethodDeny, agent.MethodDecisionFinish,
	agent.MethodEnrolBegin, agent.MethodEnrolFinish, agent.MethodLoginBegin, agent.MethodLoginCheck,
	agent.MethodLoginFinish, agent.MethodPairBegin, agent.MethodPairFinish, agent.MethodPolicyBegin,
	agent.MethodPolicyExplain, agent.MethodPolicyFinish, agent.MethodPolicyProposal, agent.MethodPolicySuggest,
	agent.MethodPolicyView,
	agent.MethodResumeBegin, agent.MethodResumeFinish}

func TestNarrowSocketHasWhatIsListed(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		console := w.agent.ConsoleMethods()
		for name := range w.agent.Methods() {
			open, known := narrow[name]
			if !known {
				t.Errorf("%s: say in this test whether a console may call it", name)
			}
			if _, has := console[name]; has != open {
				t.Errorf("%s: open to consoles: %t", name, has)
			}
			delete(console, name)
		}
		if names := slices.Sorted(maps.Keys(console)); !slices.Equal(names, onlyConsole) {
			t.Errorf("beside these: %q", names)
		}
	})
}

// byConsole calls as a console does.
func (w *world) byConsole(method string, params any) (any, error) {
	w.t.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.agent.ConsoleMethods()[method](w.t.Context(), text)
}

// A console says no to what waits, and cannot say yes.
func TestConsoleDenies(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		if _, err := w.byConsole(agent.MethodDeny, agent.DecideParams{Number: asked.Number, Yes: true}); err == nil {
			t.Error("a console said yes")
		}
		if len(w.pending()) != 1 {
			t.Error("the request waits no more")
		}
		if _, err := w.byConsole(agent.MethodDeny, agent.DenyParams{Number: asked.Number + 1}); err == nil {
			t.Error("another number was denied")
		}
		if _, err := w.byConsole(agent.MethodDeny, agent.DenyParams{Number: asked.Number}); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "nack" || len(w.chain.Transactions()) != 0 {
			t.Errorf("after the no: %s, %d transactions", got, len(w.chain.Transactions()))
		}
	})
}

// A console pauses the wallet, over restarts, and cannot resume it. However often it does so, the
// trail has one record of it.
func TestConsolePauses(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		for i := range 3 {
			got, err := w.byConsole(agent.MethodPause, struct{}{})
			if p, ok := got.(agent.Paused); err != nil || !ok || !p.Paused || p.Since.IsZero() || p.Already != (i > 0) {
				t.Errorf("%d: %+v, %v", i, got, err)
			}
		}
		if recorded := w.events("pause"); len(recorded) != 1 {
			t.Errorf("%d records", len(recorded))
		}
		w.end()
		w.run()
		w.eventually("registration", func() bool { return w.agent.Status().Links[0].Registered == 1 })
		if since, paused := w.ledger.Paused(); !paused || since.IsZero() {
			t.Error("not paused after a restart")
		}
		if _, has := w.agent.ConsoleMethods()[agent.MethodResume]; has {
			t.Error("a console can resume")
		}
	})
}

// A console pauses one app, whose requests are then told to come again later while those of others
// are served, and it is an approver's signature that ends that.
func TestConsolePausesAnApp(t *testing.T) {
	const policy = `
version: 1
allow:
  - {name: votes, request: sign, apps: any, operations: [vote]}
`
	approving(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		anna, eve := w.enrol("anna"), passkeytest.New("eve", passkey.Site{Origin: "https://wallet.example",
			RPID: "wallet.example"})
		n := 0
		said := func() string {
			n++
			return answerKind(script.ask(request("sign_req", uuid(n), authKey,
				votePayload(fmt.Sprint("p", n), nowNonce()+int64(n)))))
		}
		if got := said(); got != "ack" {
			t.Fatalf("at first: %s", got)
		}
		if _, err := w.byConsole(agent.MethodPause, agent.PauseParams{App: "nobody"}); err == nil {
			t.Error("an app that is not there is paused")
		}
		for i := range 3 {
			got, err := w.byConsole(agent.MethodPause, agent.PauseParams{App: "app"})
			if p, ok := got.(agent.Paused); err != nil || !ok || !p.Paused || p.App != "app" || p.Since.IsZero() ||
				p.Already != (i > 0) {
				t.Errorf("%d: %+v, %v", i, got, err)
			}
		}
		if recorded := w.events("pause"); len(recorded) != 1 {
			t.Errorf("%d records", len(recorded))
		}
		if list := w.agent.Status().PausedApps; len(list) != 1 || list[0].App != "app" || list[0].Since.IsZero() {
			t.Errorf("status: %+v", list)
		}
		if got := said(); got != "nack" {
			t.Errorf("while it is paused: %s", got)
		}
		resume := func(by *passkeytest.Authenticator, asked, ended string) error {
			got, err := w.byConsole(agent.MethodResumeBegin, approve.Pause{App: asked})
			if err != nil {
				return err
			}
			challenge := got.(approve.SignAsk).Challenge
			s := by.Sign(challenge)
			_, err = w.byConsole(agent.MethodResumeFinish, approve.Resumption{Pause: approve.Pause{App: ended},
				Assertion: approve.Assertion{Challenge: challenge, Credential: s.CredentialID, ClientData: s.ClientData,
					AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}})
			return err
		}
		if resume(eve, "app", "app") == nil || resume(anna, "app", "") == nil || resume(anna, "", "") == nil ||
			resume(anna, "other", "other") == nil {
			t.Error("resumed by nobody, or of another pause")
		}
		if got := said(); got != "nack" {
			t.Errorf("still paused: %s", got)
		}
		w.must(resume(anna, "app", "app"))
		if got := said(); got != "ack" {
			t.Errorf("after it: %s", got)
		}
		verified := verifyTrail(w)
		if verified.Approvals != 1 || len(verified.Problems) > 0 {
			t.Errorf("%d approvals, problems %q", verified.Approvals, verified.Problems)
		}
		_, err := w.byConsole(agent.MethodPause, agent.PauseParams{})
		w.must(err)
		if resume(anna, "app", "app") == nil {
			t.Error("an app is resumed that is not paused")
		}
		w.must(resume(anna, "", ""))
		if got := said(); got != "ack" {
			t.Errorf("after both: %s", got)
		}
	})
}

// A console reads the policy file, whether it is what is in force, why a request was decided as it
// was, and which rules a draft would add. What it asks for is bounded.
func TestConsoleReadsThePolicy(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{policy: "version: 1\n", fault: script.fault,
		prepare: func(w *world) { w.session(authKey) }}, func(t *testing.T, w *world) {
		vote := func(n int) {
			t.Helper()
			got := answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
			if got != "nack" {
				t.Fatalf("nothing is allowed, but %s", got)
			}
		}
		vote(1)
		call := func(method string, params any) any {
			t.Helper()
			got, err := w.byConsole(method, params)
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			return got
		}
		view := call(agent.MethodPolicyView, struct{}{}).(agent.PolicyView)
		if view.Text != "version: 1\n" || view.Other || view.Cut || view.SHA256 != w.agent.Status().Policy.SHA256 {
			t.Errorf("%+v", view)
		}
		long := "version: 1\n" + strings.Repeat("# é\n", 128<<10)
		w.write("policy.yaml", long)
		view = call(agent.MethodPolicyView, struct{}{}).(agent.PolicyView)
		begins := strings.HasPrefix(long, strings.TrimSuffix(view.Text, "\ufffd"))
		if len(view.Text) > 512<<10+2 || !begins || !view.Cut || !view.Other {
			t.Errorf("%d bytes, cut: %t, other: %t", len(view.Text), view.Cut, view.Other)
		}
		const head = "version: 1\n#"
		for size, cut := range map[int]bool{512<<10 - 1: false, 512 << 10: false, 512<<10 + 1: true} {
			w.write("policy.yaml", head+strings.Repeat("x", size-len(head)))
			view = call(agent.MethodPolicyView, struct{}{}).(agent.PolicyView)
			if view.Cut != cut || len(view.Text) != min(size, 512<<10) {
				t.Errorf("of %d bytes %d are shown, cut: %t", size, len(view.Text), view.Cut)
			}
		}
		number := uint64(0)
		for _, r := range w.requests() {
			number = r.Number
		}
		why := call(agent.MethodPolicyExplain, agent.NumberParams{Number: number}).(agent.ExplainView)
		if !strings.Contains(why.Text, "Denied") || !strings.HasPrefix(why.Then, "denied") || !why.Same {
			t.Errorf("%+v", why)
		}
		for _, none := range []uint64{0, 1, 1 << 40} {
			if _, err := w.byConsole(agent.MethodPolicyExplain, agent.NumberParams{Number: none}); err == nil {
				t.Errorf("record %d is explained", none)
			}
		}
		draft := func() audit.Suggested { return call(agent.MethodPolicySuggest, struct{}{}).(audit.Suggested) }
		first := draft()
		if first.Requests != 1 || !strings.Contains(first.YAML, "vote") {
			t.Errorf("%+v", first)
		}
		vote(2)
		if again := draft(); again != first {
			t.Errorf("another draft within a minute: %+v", again)
		}
		time.Sleep(time.Minute)
		if later := draft(); later.Requests != 2 {
			t.Errorf("after a minute: %+v", later)
		}
	})
}

// A console pairs an application with an approver's signature over exactly this pairing, and with
// nothing less. It adds no relay.
func TestConsolePairs(t *testing.T) {
	within(t, worldOptions{policy: "version: 1\n", configure: func(c *config.Config) {
		c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
	}}, func(t *testing.T, w *world) {
		anna := w.enrol("anna")
		c := w.dial()
		pairing, err := c.Pair(t.Context(), client.Auth{Account: "alice"})
		w.must(err)
		params := agent.PairParams{App: "app", Link: control.Secret(pairing.Link()), Length: 48 * time.Hour}
		call := func(method string, params any) (any, error) {
			text, err := control.Encode(params)
			w.must(err)
			return w.agent.ConsoleMethods()[method](t.Context(), text)
		}
		finish := func(params agent.PairParams, challenge []byte) (any, error) {
			s := anna.Sign(challenge)
			return call(agent.MethodPairFinish, agent.PairSigned{PairParams: params, Assertion: approve.Assertion{
				Challenge: challenge, Credential: s.CredentialID, ClientData: s.ClientData,
				AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}})
		}
		begin := func() agent.PairQuestion {
			t.Helper()
			asked, err := call(agent.MethodPairBegin, params)
			w.must(err)
			return asked.(agent.PairQuestion)
		}
		asked := begin()
		if asked.Account != "alice" || asked.Claim == "" || asked.Length != 48*time.Hour || len(asked.Sign.Allow) != 1 {
			t.Errorf("%+v", asked)
		}
		longer := params
		longer.Length *= 2
		if _, err := finish(longer, asked.Sign.Challenge); err == nil ||
			!strings.Contains(err.Error(), "another pairing") {
			t.Errorf("for longer: %v", err)
		}
		if _, err := finish(params, make([]byte, 32)); err == nil {
			t.Error("without a question")
		}
		for _, change := range []func(*agent.PairParams){
			func(p *agent.PairParams) { p.NewRelay = true },
			func(p *agent.PairParams) {
				p.Link = control.Secret(`{"account":"alice","uuid":"` + uuid(1) + `","key":"` + authKey +
					`","host":"wss://elsewhere.example"}`)
			},
		} {
			other := params
			change(&other)
			if _, err := call(agent.MethodPairBegin, other); err == nil ||
				!strings.Contains(err.Error(), "--new-relay") {
				t.Errorf("another relay: %v", err)
			}
		}
		info, err := finish(params, begin().Sign.Challenge)
		w.must(err)
		if made := info.(agent.SessionInfo); made.Account != "alice" || made.Origin != "paired" ||
			len(made.AuthKey) > 0 {
			t.Errorf("%+v", made)
		}
		_, err = pairing.Wait(t.Context())
		w.must(err)
		if asked := begin(); asked.Already == nil || asked.Sign != nil {
			t.Errorf("what is paired already: %+v", asked)
		}
		if found := verifyTrail(w); found.Approvals != 1 || len(found.Problems) > 0 {
			t.Errorf("%+v", found)
		}
	})
}

// Where a policy takes an approver's yes, a changed file comes into force with that alone: by no
// reload, no restart, no other settings. An older policy is a change like any other.
func TestPolicyByTwoKeys(t *testing.T) {
	const first = `version: 1
allow: [{name: votes, request: sign, accounts: [alice], apps: [app], operations: [vote]}]
`
	const second = `version: 1
allow: [{name: pay, request: sign, accounts: [alice], apps: [app], key: active, operations: [transfer]}]
`
	within(t, worldOptions{policy: first, configure: func(c *config.Config) {
		c.PolicyApproval = config.ApprovalRequired
		c.Approve = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
	}}, func(t *testing.T, w *world) {
		reload := func(force bool) error {
			params, _ := control.Encode(agent.PolicyParams{Force: force})
			_, err := w.agent.Methods()[agent.MethodPolicyReload](t.Context(), params)
			return err
		}
		inForce := func() string { return w.agent.Status().Policy.SHA256 }
		proposal := func() agent.PolicyProposal {
			t.Helper()
			p, err := w.byConsole(agent.MethodPolicyProposal, struct{}{})
			w.must(err)
			return p.(agent.PolicyProposal)
		}
		approvalIs := func(want string) {
			t.Helper()
			w.eventually("approval "+want, func() bool { return w.agent.Status().Policy.Approval == want })
		}
		begin := func(c approve.PolicyChange) ([]byte, error) {
			asked, err := w.byConsole(agent.MethodPolicyBegin, c)
			sign, _ := asked.(approve.SignAsk)
			return sign.Challenge, err
		}
		finish := func(c approve.PolicyChange, a *passkeytest.Authenticator, challenge []byte) error {
			s := a.Sign(challenge)
			_, err := w.byConsole(agent.MethodPolicyFinish, agent.PolicySigned{PolicyChange: c,
				Assertion: approve.Assertion{Challenge: challenge, Credential: s.CredentialID, ClientData: s.ClientData,
					AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}})
			return err
		}
		// Nobody could say yes: the file decides, and status says so.
		approvalIs(agent.ApprovalWanted)
		w.write("policy.yaml", second)
		w.must(reload(false))
		w.write("policy.yaml", first)
		w.must(reload(false))
		anna := w.enrol("anna")
		_, err := w.agent.Methods()[agent.MethodReload](t.Context(), nil)
		w.must(err)
		approvalIs(agent.ApprovalRequired)
		if p := proposal(); !p.Required || p.Waits {
			t.Errorf("at first: %+v", p)
		}

		was := inForce()
		w.write("policy.yaml", second)
		for _, force := range []bool{false, true} {
			if err := reload(force); err == nil || !strings.Contains(err.Error(), "takes an approver's yes") {
				t.Errorf("reload, force %t: %v", force, err)
			}
		}
		if _, err := w.agent.Methods()[agent.MethodReload](t.Context(), nil); err == nil {
			t.Error("a reload of the settings takes it")
		}
		if s := w.agent.Status().Policy; s.SHA256 != was || !strings.Contains(s.Waits, "approver's yes") ||
			s.Failed != "" {
			t.Errorf("%+v", s)
		}
		// A start takes the one that was approved, whatever the settings and the file say.
		for _, file := range []string{second, "no policy", ""} {
			w.write("policy.yaml", file)
			cfg := *w.config
			cfg.PolicyApproval = config.ApprovalOff
			p, _, waits, err := agent.StartPolicy(&cfg, w.keys, w.ledger)
			if err != nil || p.Hash() != was || waits == "" {
				t.Errorf("a start with the file %q: %v, %q", file, err, waits)
			}
		}
		w.write("policy.yaml", second)
		p := proposal()
		if p.From != was || !p.Waits || p.Tests != "" || !strings.Contains(p.Diff, "Allowed now, denied before") ||
			!strings.Contains(p.Diff, `"pay"`) {
			t.Errorf("%+v", p)
		}
		for _, c := range []approve.PolicyChange{{From: p.To, To: p.From}, {From: p.From, To: p.From}, {}} {
			if _, err := begin(c); err == nil {
				t.Errorf("a question about %+v", c)
			}
		}
		challenge, err := begin(p.PolicyChange)
		w.must(err)
		eve := passkeytest.New("eve", w.config.Approve)
		if err := finish(p.PolicyChange, eve, challenge); err == nil || inForce() != was {
			t.Errorf("by a stranger: %v", err)
		}
		// What is signed is what the page showed: a file that changed since is another one.
		challenge, err = begin(p.PolicyChange)
		w.must(err)
		w.write("policy.yaml", second+"# more\n")
		if err := finish(p.PolicyChange, anna, challenge); err == nil || inForce() != was {
			t.Errorf("the file changed: %v", err)
		}
		w.write("policy.yaml", second)
		challenge, err = begin(p.PolicyChange)
		w.must(err)
		w.must(finish(p.PolicyChange, anna, challenge))
		if s := w.agent.Status().Policy; s.SHA256 != p.To || s.Waits != "" {
			t.Errorf("after the yes: %+v", s)
		}
		w.must(reload(false)) // what is in force may be read again

		w.write("policy.yaml", first)
		if err := reload(true); err == nil || inForce() != p.To {
			t.Errorf("an older one: %v", err)
		}
		if err := finish(p.PolicyChange, anna, challenge); err == nil {
			t.Error("a yes counts twice")
		}
		if got, _, waits, err := agent.StartPolicy(w.config, w.keys, w.ledger); err != nil || got.Hash() != p.To ||
			waits == "" {
			t.Errorf("a start with an older one: %v, %q", err, waits)
		}
		if found := verifyTrail(w); found.Approvals != 1 || len(found.Problems) > 0 {
			t.Errorf("%+v", found)
		}

		// On the wallet's machine, with the keystore open and the wallet stopped.
		admin := agent.Admin{Ledger: w.ledger, Keys: w.keys}
		hash, err := admin.AcceptPolicy(t.Context(), w.config, false)
		if got, _, waits, err := agent.StartPolicy(w.config, w.keys, w.ledger); err != nil || got.Hash() != was ||
			hash != was || waits != "" {
			t.Errorf("accepted: %v, %q", err, waits)
		}
		w.must(err)
		_, err = admin.AcceptPolicy(t.Context(), w.config, true)
		w.must(err)
		if _, err := admin.AcceptPolicy(t.Context(), w.config, true); err == nil {
			t.Error("ended twice")
		}
		w.must(reload(false))
	})
}
