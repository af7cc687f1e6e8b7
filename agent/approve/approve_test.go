package approve_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/approve"
	"pksa/agent/ledger"
	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
	"pksa/protocol/secret"
)

// wants fails unless an error says something.
func (w *world) wants(err error, text string) {
	w.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		w.Errorf("%v, want an error with %q", err, text)
	}
}

func TestDecision(t *testing.T) {
	w := newWorld(t)
	anna := w.enrol("anna")
	w.restart() // who was enrolled is on disk
	for r, err := range w.ledger.Audit(1) {
		w.must(err)
		if r.Outcome != "approver enrolled" {
			continue
		}
		// Readers of the trail take "code" for why something was refused, which is a text.
		if text := string(r.Content); !strings.HasPrefix(text, `{"approver":"anna","fingerprint":"`) ||
			!strings.HasSuffix(text, `","invitation":1}`) {
			t.Errorf("%s", text)
		}
	}
	asked := w.ask(7)
	if len(asked.Allow) != 1 || string(asked.Allow[0]) != string(anna.ID) || asked.RPID != "wallet.example" {
		t.Errorf("%+v", asked)
	}
	w.must(w.decide(7, signed(anna, asked.Challenge)))
	proof := w.yes[7]
	if proof == nil || proof.By != "anna" || proof.Number != 7 {
		t.Fatalf("%+v", proof)
	}
	// What the trail keeps can be checked again, from its JSON alone.
	text, err := json.Marshal(proof)
	w.must(err)
	var read approve.Proof
	w.must(json.Unmarshal(text, &read))
	w.must(read.Check())
	for name, change := range map[string]func(*approve.Proof){
		"number": func(p *approve.Proof) { p.Number++ }, "wallet": func(p *approve.Proof) { p.Wallet += "x" },
		"digest": func(p *approve.Proof) { p.What[0]++ }, "fresh": func(p *approve.Proof) { p.Value[0]++ },
		"no":      func(p *approve.Proof) { p.Yes = false },
		"resume":  func(p *approve.Proof) { p.Purpose = approve.Resume },
		"login":   func(p *approve.Proof) { p.Purpose = approve.Login },
		"origin":  func(p *approve.Proof) { p.Origin = "https://other.example" },
		"key":     func(p *approve.Proof) { p.Key = passkeytest.New("eve", wallet).COSE },
		"synced":  func(p *approve.Proof) { p.Synced = true },
		"nothing": func(p *approve.Proof) { *p = approve.Proof{} },
	} {
		var altered approve.Proof
		w.must(json.Unmarshal(text, &altered))
		if change(&altered); altered.Check() == nil {
			t.Errorf("%s: a proof that was altered is taken", name)
		}
	}
	if n := w.outcomes()["approver signed to decide"]; n != 1 {
		t.Errorf("%d records of the signature", n)
	}
}

// What was signed for another purpose, or as a no, is no proof of a yes, whoever wrote it down so.
func TestOtherSignaturesAreNoProof(t *testing.T) {
	anna := passkeytest.New("anna", wallet)
	for name, q := range map[string]approve.Question{
		"a yes": {Purpose: approve.Decide, Number: 7, Yes: true}, "a no": {Purpose: approve.Decide, Number: 7},
		"a login": {Purpose: approve.Login, Number: 7, Yes: true},
	} {
		challenge := q.Challenge()
		s := anna.Sign(challenge[:])
		proof := approve.Proof{Origin: wallet.Origin, Question: q, What: make([]byte, 32), Value: make([]byte, 32),
			Passkey: anna.ID, Key: anna.COSE, ClientData: s.ClientData, AuthenticatorData: s.AuthenticatorData,
			Signature: s.Signature}
		if err := proof.Check(); (err == nil) != (name == "a yes") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A counter that rose is kept: whoever has a copy of the authenticator as it was is found out.
func TestCounterIsKept(t *testing.T) {
	w := newWorld(t)
	anna := w.enrol("anna")
	w.must(w.decide(7, signed(anna, w.ask(7).Challenge)))
	w.restart()
	anna.Counter--
	w.wants(w.decide(8, signed(anna, w.ask(8).Challenge)), "copy")
	w.must(w.decide(8, signed(anna, w.ask(8).Challenge)))
}

// Whatever is not the answer of an approver to this very question is refused and recorded, and
// answers nothing.
func TestRefusedDecisions(t *testing.T) {
	w := newWorld(t)
	anna, eve := w.enrol("anna"), passkeytest.New("eve", wallet)
	refused := 0
	check := func(name string, number uint64, s approve.Assertion, text string) {
		t.Helper()
		refused++
		w.wants(w.decide(number, s), text)
		if w.yes[number] != nil {
			t.Fatalf("%s: it is answered", name)
		}
		if got := w.outcomes()["approval refused"]; got != refused {
			t.Errorf("%s: %d refusals are recorded, want %d", name, got, refused)
		}
	}
	check("a challenge that nobody gave out", 7, signed(anna, make([]byte, 32)), "answered already")
	check("a short one", 7, signed(anna, make([]byte, 31)), "answered already")
	check("of another number", 8, signed(anna, w.ask(7).Challenge), "another answer")
	check("by somebody else", 7, signed(eve, w.ask(7).Challenge), "nobody's")
	eve.ID = anna.ID
	check("by another key", 7, signed(eve, w.ask(7).Challenge), "signature")
	anna.Flags &^= passkeytest.Verified
	check("without verification", 7, signed(anna, w.ask(7).Challenge), "finger")
	anna.Flags |= passkeytest.Verified
	anna.Counter = 0
	check("a counter that went back", 7, signed(anna, w.ask(7).Challenge), "copy")
	if !strings.Contains(w.log.String(), "level=ERROR") || !slices.Equal(w.copied, []string{"anna"}) {
		t.Error("a counter that went back is no alarm")
	}
	anna.Counter = 40

	login, err := w.desk.LoginBegin(t.Context(), struct{}{})
	w.must(err)
	check("a login", 7, signed(anna, login.Challenge), "answered already")
	long := signed(anna, w.ask(7).Challenge)
	long.ClientData = append(long.ClientData, []byte(strings.Repeat(" ", 2<<10))...)
	check("more than the trail keeps", 7, long, "trail keeps")
	once := signed(anna, w.ask(7).Challenge)
	altered := once
	altered.Signature = slices.Clone(once.Signature)
	altered.Signature[9] ^= 1
	check("altered", 7, altered, "signature")
	check("a challenge that was used for nothing", 7, once, "answered already")
	asked := w.ask(7)
	waiting := w.waiting[7]
	w.waiting[7] = approve.Waiting{Until: waiting.Until}
	check("of another digest", 7, signed(anna, asked.Challenge), "another request")
	asked = signedAsk(w, waiting)
	delete(w.waiting, 7)
	check("of what waits no more", 7, signed(anna, asked.Challenge), "nothing waits")
	w.waiting[7] = waiting
	asked = w.ask(7)
	if _, err := w.desk.DecisionFinish(t.Context(), approve.Decision{Number: 7,
		Assertion: signed(anna, asked.Challenge)}); err == nil {
		t.Error("a no is taken for a yes")
	}
	refused++

	w.must(w.decide(7, signed(anna, w.ask(7).Challenge)))
	w.wants(w.decide(7, signed(anna, w.ask(7).Challenge)), "its answer already")
}

// The end of a pause takes a yes to the end of this pause, once.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.paused = map[string]bool{"": true, "bot": true, "other": true}
	anna, eve := w.enrol("anna"), passkeytest.New("eve", wallet)
	begin := func(app string) []byte {
		t.Helper()
		asked, err := w.desk.ResumeBegin(t.Context(), approve.Pause{App: app})
		w.must(err)
		return asked.Challenge
	}
	finish := func(app string, s approve.Assertion) error {
		_, err := w.desk.ResumeFinish(t.Context(), approve.Resumption{Pause: approve.Pause{App: app}, Assertion: s})
		return err
	}
	_, err := w.desk.ResumeBegin(t.Context(), approve.Pause{App: "nobody"})
	w.wants(err, "not paused")
	w.wants(finish("other", signed(anna, begin("bot"))), "another pause")
	w.wants(finish("", signed(anna, begin("bot"))), "another pause")
	w.wants(finish("bot", signed(eve, begin("bot"))), "nobody's")
	w.wants(finish("bot", signed(anna, w.ask(7).Challenge)), "answered already")
	w.wants(w.decide(7, signed(anna, begin("bot"))), "answered already")
	long := signed(anna, begin("bot"))
	long.ClientData = append(long.ClientData, []byte(strings.Repeat(" ", 2<<10))...)
	w.wants(finish("bot", long), "trail keeps")
	if len(w.resumed) > 0 || w.outcomes()["approval refused"] != 6 {
		t.Errorf("%d pauses ended, %d refusals", len(w.resumed), w.outcomes()["approval refused"])
	}
	once := signed(anna, begin("bot"))
	w.must(finish("bot", once))
	w.wants(finish("bot", once), "answered already")
	if len(w.resumed) != 1 || w.resumed[0].Name != "bot" || w.resumed[0].Check() != nil {
		t.Errorf("%+v", w.resumed)
	}
	// One pause takes no room from another, nor do logins.
	for range 16 {
		begin("other")
	}
	_, err = w.desk.ResumeBegin(t.Context(), approve.Pause{App: "other"})
	w.wants(err, "wait two minutes")
	w.must(finish("", signed(anna, begin(""))))
}

// A pairing takes a yes to exactly this account, relay, app, length and key, once.
func TestPairing(t *testing.T) {
	w := newWorld(t)
	anna, eve := w.enrol("anna"), passkeytest.New("eve", wallet)
	good := approve.Pairing{Account: "alice", Relay: "wss://relay.example", App: "bot", Length: time.Hour,
		Key: make([]byte, 32)}
	begin := func(p approve.Pairing) []byte {
		t.Helper()
		asked, err := w.desk.PairBegin(t.Context(), p)
		w.must(err)
		return asked.Challenge
	}
	refused := 0
	check := func(name string, p approve.Pairing, s approve.Assertion, text string) {
		t.Helper()
		refused++
		proof, err := w.desk.PairFinish(t.Context(), p, s)
		w.wants(err, text)
		if proof != nil || w.outcomes()["approval refused"] != refused {
			t.Errorf("%s: %v, %d refusals are recorded", name, proof, w.outcomes()["approval refused"])
		}
	}
	for name, change := range map[string]func(*approve.Pairing){
		"account": func(p *approve.Pairing) { p.Account = "bob" }, "app": func(p *approve.Pairing) { p.App = "other" },
		"relay":  func(p *approve.Pairing) { p.Relay = "wss://other.example" },
		"length": func(p *approve.Pairing) { p.Length *= 2 },
		"key":    func(p *approve.Pairing) { p.Key = []byte(strings.Repeat("k", 32)) },
		"parts":  func(p *approve.Pairing) { p.Account, p.Relay = p.Account+p.Relay[:1], p.Relay[1:] },
	} {
		other := good
		change(&other)
		check(name, other, signed(anna, begin(good)), "another pairing")
	}
	check("by somebody else", good, signed(eve, begin(good)), "nobody's")
	login, err := w.desk.LoginBegin(t.Context(), struct{}{})
	w.must(err)
	check("a login", good, signed(anna, login.Challenge), "answered already")
	check("a yes to a request", good, signed(anna, w.ask(7).Challenge), "answered already")
	long := signed(anna, begin(good))
	long.ClientData = append(long.ClientData, []byte(strings.Repeat(" ", 2<<10))...)
	check("more than the trail keeps", good, long, "trail keeps")
	once := signed(anna, begin(good))
	proof, err := w.desk.PairFinish(t.Context(), good, once)
	w.must(err)
	if digest := good.Digest(); proof.By != "anna" || string(proof.What) != string(digest[:]) || proof.Check() != nil {
		t.Errorf("%+v", proof)
	}
	check("again", good, once, "answered already")
	late := signed(anna, begin(good))
	_, err = w.desk.Remove(t.Context(), approve.NameParams{Name: "anna"})
	w.must(err)
	check("of who was removed", good, late, "nobody's")
}

// Another policy takes a yes to exactly this one in the place of that one, once.
func TestPolicyChange(t *testing.T) {
	w := newWorld(t)
	anna := w.enrol("anna")
	good := approve.PolicyChange{From: "aa", To: "bb"}
	begin := func() []byte {
		t.Helper()
		asked, err := w.desk.PolicyBegin(t.Context(), good)
		w.must(err)
		return asked.Challenge
	}
	for _, other := range []approve.PolicyChange{{From: "aa", To: "cc"}, {From: "cc", To: "bb"}, {From: "bb", To: "aa"},
		{From: "a", To: "abb"}} {
		_, err := w.desk.PolicyFinish(t.Context(), other, signed(anna, begin()))
		w.wants(err, "another policy")
	}
	pairing, err := w.desk.PairBegin(t.Context(), approve.Pairing{App: "bot"})
	w.must(err)
	_, err = w.desk.PolicyFinish(t.Context(), good, signed(anna, pairing.Challenge))
	w.wants(err, "answered already")
	once := signed(anna, begin())
	proof, err := w.desk.PolicyFinish(t.Context(), good, once)
	w.must(err)
	if digest := good.Digest(); string(proof.What) != string(digest[:]) || proof.Check() != nil {
		t.Errorf("%+v", proof)
	}
	_, err = w.desk.PolicyFinish(t.Context(), good, once)
	w.wants(err, "answered already")
}

func signedAsk(w *world, waiting approve.Waiting) approve.SignAsk {
	w.Helper()
	w.waiting[7] = waiting
	return w.ask(7)
}

func TestAsking(t *testing.T) {
	w := newWorld(t)
	digest := w.waiting[7].Digest
	_, err := w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 7, Yes: true, Seen: digest[:]})
	w.wants(err, "nobody is enrolled")
	w.enrol("anna")
	_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 7, Yes: true, Seen: make([]byte, 32)})
	w.wants(err, "another request")
	_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 7, Yes: true})
	w.wants(err, "another request")
	_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 9, Yes: true, Seen: digest[:]})
	w.wants(err, "nothing waits")
	_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 7, Seen: digest[:]})
	w.wants(err, "no passkey")
	w.site = passkey.Site{}
	_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 7, Yes: true, Seen: digest[:]})
	w.wants(err, "approve.origin")
	_, err = w.desk.Add(t.Context(), approve.NameParams{Name: "bob"})
	w.wants(err, "approve.origin")
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	anna := w.enrol("anna")
	asked, err := w.desk.LoginBegin(t.Context(), struct{}{})
	w.must(err)
	answer := signed(anna, asked.Challenge)
	in, err := w.desk.LoginFinish(t.Context(), answer)
	w.must(err)
	if in.Name != "anna" {
		t.Errorf("%+v", in)
	}
	standing := func(p approve.LoggedIn) bool {
		t.Helper()
		got, err := w.desk.LoginCheck(t.Context(), p)
		w.must(err)
		return got.Approver
	}
	bob := approve.LoggedIn{Name: "bob", Enrolment: in.Enrolment}
	if !standing(in) || standing(approve.LoggedIn{}) || standing(bob) {
		t.Error("who may approve is mistaken")
	}
	w.site = passkey.Site{Origin: "https://other.example", RPID: "other.example"}
	if standing(in) {
		t.Error("approver of another address")
	}
	w.site = wallet
	_, err = w.desk.LoginFinish(t.Context(), answer)
	w.wants(err, "answered already")
	// A yes is no login.
	_, err = w.desk.LoginFinish(t.Context(), signed(anna, w.ask(7).Challenge))
	w.wants(err, "answered already")

	about, err := w.desk.About(t.Context(), struct{}{})
	w.must(err)
	if about != (approve.About{Wallet: "wallet-1", Origin: wallet.Origin, RPID: wallet.RPID, Approvers: 1,
		Version: "test"}) {
		t.Errorf("%+v", about)
	}

	// Who is removed is out, and is not who is enrolled under the name later.
	_, err = w.desk.Remove(t.Context(), approve.NameParams{Name: "anna"})
	w.must(err)
	if standing(in) {
		t.Error("approver after the removal")
	}
	w.enrol("anna")
	if standing(in) {
		t.Error("approver by an enrolment of before")
	}
}

// Beyond the bound nobody is asked; who was asked before can answer.
func TestChallengesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		anna := w.enrol("anna")
		first, err := w.desk.LoginBegin(t.Context(), struct{}{})
		w.must(err)
		for range 63 {
			_, err = w.desk.LoginBegin(t.Context(), struct{}{})
			w.must(err)
		}
		_, err = w.desk.LoginBegin(t.Context(), struct{}{})
		w.wants(err, "wait two minutes")
		// Logins take no room from decisions, and one decision none from another.
		for range 16 {
			w.ask(8)
		}
		digest := w.waiting[8].Digest
		_, err = w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 8, Yes: true, Seen: digest[:]})
		w.wants(err, "wait two minutes")
		w.ask(7)
		_, err = w.desk.LoginFinish(t.Context(), signed(anna, first.Challenge))
		w.must(err)
		_, err = w.desk.LoginBegin(t.Context(), struct{}{}) // in its place
		w.must(err)
		time.Sleep(2 * time.Minute)
		for range 16 {
			w.ask(8)
		}
	})
}

// A challenge ends with its request, and after two minutes.
func TestChallengesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		anna := w.enrol("anna")
		for number, life := range map[uint64]time.Duration{7: time.Minute, 8: 2 * time.Minute} {
			w.waiting[7] = approve.Waiting{Digest: w.waiting[7].Digest, Until: time.Now().Add(time.Minute)}
			asked := w.ask(number)
			time.Sleep(life - 1)
			answer := signed(anna, asked.Challenge)
			w.must(w.decide(number, answer))
			delete(w.yes, number)
			w.waiting[7] = approve.Waiting{Digest: w.waiting[7].Digest, Until: time.Now().Add(time.Minute)}
			asked = w.ask(number)
			time.Sleep(life)
			w.wants(w.decide(number, signed(anna, asked.Challenge)), "too old")
		}
	})
}

func TestEnrolment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, name := range []string{"", "Anna", "anna smith", strings.Repeat("a", 33), "-a", "añña"} {
			_, err := w.desk.Add(t.Context(), approve.NameParams{Name: name})
			w.wants(err, "the name")
		}
		begin := func(code secret.Text) (approve.EnrolAsk, error) {
			return w.desk.EnrolBegin(t.Context(), approve.CodeParams{Code: code})
		}
		finish := func(code secret.Text, challenge []byte, made passkey.Registration) error {
			_, err := w.desk.EnrolFinish(t.Context(), approve.Enrolment{Code: code, Challenge: challenge,
				ClientData: made.ClientData, Attestation: made.Attestation})
			return err
		}
		invite := func(name string) approve.Invitation {
			invited, err := w.desk.Add(t.Context(), approve.NameParams{Name: name})
			w.must(err)
			if invited.Link != "https://wallet.example/enrol#"+invited.Code || len(invited.Code) != 22 {
				t.Errorf("%s, %s", string(invited.Link), string(invited.Code))
			}
			if text := fmt.Sprintf("%v %+v", invited, &invited); strings.Contains(text, string(invited.Code)) {
				t.Errorf("the code is printed: %s", text)
			}
			return invited
		}
		old := invite("anna")
		code := invite("anna").Code // takes the place of the one before
		_, err := begin(old.Code)
		w.wants(err, "one-time code")
		_, err = begin("")
		w.wants(err, "one-time code")
		asked, err := begin(code)
		w.must(err)
		if asked.UserName != "anna" || len(asked.UserID) != 32 || len(asked.Algorithms) != 3 ||
			len(asked.Exclude) != 0 {
			t.Errorf("%+v", asked)
		}
		anna := passkeytest.New("anna", wallet)
		// What fails uses up the challenge, and not the code.
		w.wants(finish(code, asked.Challenge, anna.Create(make([]byte, 32))), "another question")
		w.wants(finish(code, asked.Challenge, anna.Create(asked.Challenge)), "answered already")
		asked, err = begin(code)
		w.must(err)
		w.wants(finish("wrong", asked.Challenge, anna.Create(asked.Challenge)), "one-time code")
		bobs := invite("bob").Code
		w.wants(finish(bobs, asked.Challenge, anna.Create(asked.Challenge)), "answered already")
		asked, err = begin(code)
		w.must(err)
		w.must(finish(code, asked.Challenge, anna.Create(asked.Challenge)))
		_, err = begin(code)
		w.wants(err, "one-time code")
		_, err = w.desk.Add(t.Context(), approve.NameParams{Name: "anna"})
		w.wants(err, "already")

		// The same passkey is not somebody else's too.
		asked, err = begin(bobs)
		w.must(err)
		if len(asked.Exclude) != 1 || string(asked.Exclude[0]) != string(anna.ID) {
			t.Errorf("%x", asked.Exclude)
		}
		w.wants(finish(bobs, asked.Challenge, anna.Create(asked.Challenge)), "somebody's already")
		asked, err = begin(bobs)
		w.must(err)
		time.Sleep(10 * time.Minute)
		_, err = begin(bobs)
		w.wants(err, "ten minutes")
		w.wants(finish(bobs, asked.Challenge, passkeytest.New("bob", wallet).Create(asked.Challenge)), "ten minutes")

		list, err := w.desk.List(t.Context(), struct{}{})
		w.must(err)
		if len(list) != 1 || list[0].Name != "anna" || list[0].Elsewhere || list[0].RPID != "wallet.example" ||
			strings.Count(list[0].Fingerprint, " ") != 7 {
			t.Errorf("%+v", list)
		}
		if n := w.outcomes(); n["approver invited"] != 3 || n["approver enrolled"] != 1 || n["approval refused"] != 6 {
			t.Errorf("%v", n)
		}
	})
}

// Who was removed signs nothing from then on, also what they were asked before.
func TestRemoval(t *testing.T) {
	w := newWorld(t)
	anna, bob := w.enrol("anna"), w.enrol("bob")
	asked := w.ask(7)
	remove := func(name string) error {
		_, err := w.desk.Remove(t.Context(), approve.NameParams{Name: name})
		return err
	}
	w.must(remove("anna"))
	w.wants(w.decide(7, signed(anna, asked.Challenge)), "nobody's")
	w.wants(remove("anna"), "no such approver")
	w.restart()
	asked = w.ask(7)
	if len(asked.Allow) != 1 {
		t.Errorf("%d may sign", len(asked.Allow))
	}
	w.wants(w.decide(7, signed(anna, asked.Challenge)), "nobody's")
	w.must(w.decide(7, signed(bob, w.ask(7).Challenge)))

	invited, err := w.desk.Add(t.Context(), approve.NameParams{Name: "carol"})
	w.must(err)
	w.must(remove("carol")) // the link counts no more
	_, err = w.desk.EnrolBegin(t.Context(), approve.CodeParams{Code: invited.Code})
	w.wants(err, "one-time code")
	w.enrol("anna") // again
}

// Under another host the passkeys of before are nobody's; another port is the same host.
func TestOtherAddress(t *testing.T) {
	w := newWorld(t)
	anybody := func(want bool) {
		t.Helper()
		notes, err := w.ledger.Approvers(t.Context())
		w.must(err)
		if got := (len(w.desk.Names(notes)) > 0); got != want {
			t.Errorf("somebody can say yes at %q: %t", w.site.Origin, got)
		}
	}
	anybody(false)
	anna := w.enrol("anna")
	w.site = passkey.Site{Origin: "https://wallet.example:8443", RPID: "wallet.example"}
	anybody(true)
	w.wants(w.decide(7, signed(anna, w.ask(7).Challenge)), "made it on a page of")
	anna.Site = w.site
	w.must(w.decide(7, signed(anna, w.ask(7).Challenge)))
	w.site = passkey.Site{Origin: "https://other.example", RPID: "other.example"}
	digest := w.waiting[8].Digest
	_, err := w.desk.DecisionBegin(t.Context(), approve.Ask{Number: 8, Yes: true, Seen: digest[:]})
	w.wants(err, "nobody is enrolled")
	list, err := w.desk.List(t.Context(), struct{}{})
	w.must(err)
	if len(list) != 1 || !list[0].Elsewhere || !approve.Nobody(list) {
		t.Errorf("%+v", list)
	}
	anybody(false)
	w.site = passkey.Site{}
	anybody(false)
}

// Refusals are recorded up to a bound: whoever reaches the socket can make any number.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 2 {
			for range 70 {
				w.wants(w.decide(7, approve.Assertion{}), "answered already")
			}
			time.Sleep(time.Hour + 1)
		}
		if n := w.outcomes()["approval refused"]; n != 120 {
			t.Errorf("%d refusals are recorded", n)
		}
	})
}

func TestApproversAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range ledger.MostApprovers {
		w.enrol(fmt.Sprintf("anna%d", i))
	}
	for i := range ledger.MostApprovers {
		_, err := w.desk.Add(t.Context(), approve.NameParams{Name: fmt.Sprintf("bob%d", i)})
		w.must(err)
	}
	_, err := w.desk.Add(t.Context(), approve.NameParams{Name: "carol"})
	w.wants(err, "one-time codes are out")
	err = w.ledger.PutApprover(t.Context(), "carol", []byte("x"), false, ledger.Entry{Type: ledger.RecordAdmin})
	w.wants(err, "more may not be")
}

// Each part of a question changes what is signed, and what is signed never changes.
func TestChallenge(t *testing.T) {
	q := approve.Question{Purpose: approve.Decide, Wallet: "wallet", Name: "a", Number: 7, Yes: true}
	const want = "66ab99ff75dba7ad7827d18756c026a5a96bb7ba3b9ce1f985d6fba83ed7da16"
	if got := q.Challenge(); hex.EncodeToString(got[:]) != want {
		t.Errorf("%x, want %s", got, want)
	}
	seen := map[[32]byte]bool{q.Challenge(): true}
	for _, change := range []func(*approve.Question){
		func(q *approve.Question) { q.Purpose = approve.Login }, func(q *approve.Question) { q.Wallet = "wallets" },
		func(q *approve.Question) { q.Wallet, q.Name = "walleta", "" }, func(q *approve.Question) { q.Name = "b" },
		func(q *approve.Question) { q.Number = 8 }, func(q *approve.Question) { q.Digest[31] = 1 },
		func(q *approve.Question) { q.Yes = false }, func(q *approve.Question) { q.Fresh[0] = 1 },
	} {
		other := q
		change(&other)
		if seen[other.Challenge()] {
			t.Errorf("%+v has the challenge of another question", other)
		}
		seen[other.Challenge()] = true
	}
}
