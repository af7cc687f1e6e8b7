package agent_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/passkey/passkeytest"
	"pksa/protocol/hive"
)

const replayPolicy = `version: 1
ask: [{name: votes, request: sign, apps: any, operations: [vote], timeout: 20s}]
`

// replayer owns the console: all that people sign comes by it. It hands over what was signed or
// keeps it, and tries what it has seen on everything else, whole and in parts.
type replayer struct {
	*world
	script *scriptedClient
	rng    *rand.Rand
	people map[string]*passkeytest.Authenticator

	asked   int                     // requests
	waiting []agent.PendingRequest  // now
	numbers []agent.PendingRequest  // that ever waited
	meant   map[uint64]string       // who has signed a yes to a request
	seen    []approve.Decision      // that people signed
	logins  []approve.Assertion     // and to log in
	taken   map[uint64]bool         // requests to which a yes was taken
	tried   map[string]map[bool]int // what was tried, and whether it was taken
}

// TestApprovalsAreReplayed has whoever owns the console replay what people have signed. What is
// signed is what somebody has said yes to, once.
func TestApprovalsAreReplayed(t *testing.T) {
	seed := seedOf(t, *hostileSeed)
	steps := min(*hostileSteps/5, 20_000)
	approving(t, replayPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		r := &replayer{world: w, script: script, rng: rand.New(rand.NewPCG(seed, 18)), meant: map[uint64]string{},
			taken: map[uint64]bool{}, tried: map[string]map[bool]int{},
			people: map[string]*passkeytest.Authenticator{"anna": w.enrol("anna"), "bob": w.enrol("bob")}}
		r.people["anna"].Counter = 1 // it counts; that of bob is a synced one
		for range steps {
			r.step()
		}
		time.Sleep(time.Minute) // what was taken is carried out, and the rest has ended
		r.inspect()
	})
}

func (r *replayer) step() {
	r.t.Helper()
	time.Sleep(time.Duration(10+r.rng.IntN(1500)) * time.Millisecond)
	synctest.Wait()
	r.waiting = r.pending()
	for _, q := range r.waiting {
		if !slices.ContainsFunc(r.numbers, func(old agent.PendingRequest) bool { return old.Number == q.Number }) {
			r.numbers = append(r.numbers, q)
		}
	}
	switch n := r.rng.IntN(10); {
	case len(r.waiting) < 3 || n == 0 && len(r.waiting) < 15:
		r.asked++
		r.script.sayAll(request("sign_req", uuid(r.asked), authKey, votePayload(fmt.Sprint("p", r.asked), nowNonce())))
	case n < 4:
		r.signs()
	case n == 4:
		r.logsIn()
	default:
		r.replays()
	}
}

// pick returns one of a list, mostly one of the last ones.
func pick[T any](rng *rand.Rand, list []T) T {
	if last := 10; len(list) > last && rng.IntN(4) > 0 {
		list = list[len(list)-last:]
	}
	return list[rng.IntN(len(list))]
}

func (r *replayer) person() (string, *passkeytest.Authenticator) {
	name := []string{"anna", "bob"}[r.rng.IntN(2)]
	return name, r.people[name]
}

func asserted(a *passkeytest.Authenticator, challenge []byte) approve.Assertion {
	s := a.Sign(challenge)
	return approve.Assertion{Challenge: challenge, Credential: s.CredentialID, ClientData: s.ClientData,
		AuthenticatorData: s.AuthenticatorData, Signature: s.Signature}
}

// signs has somebody say yes to what waits. The console hands that over, or keeps it for later.
func (r *replayer) signs() {
	q := pick(r.rng, r.waiting)
	ask, err := agent.Approvals(r.agent).DecisionBegin(r.t.Context(), approve.Ask{Number: q.Number, Yes: true,
		Seen: q.Digest})
	if err != nil {
		return // it has ended meanwhile, or too many were asked for
	}
	name, a := r.person()
	d := approve.Decision{Number: q.Number, Yes: true, Assertion: asserted(a, ask.Challenge)}
	r.seen = append(r.seen, d)
	r.meant[q.Number] = name
	if r.rng.IntN(2) == 0 {
		r.hands("signed", d)
	}
}

// logsIn has somebody log in, which the console keeps or hands over.
func (r *replayer) logsIn() {
	desk, ctx := agent.Approvals(r.agent), r.t.Context()
	ask, err := desk.LoginBegin(ctx, struct{}{})
	if err != nil {
		return
	}
	_, a := r.person()
	in := asserted(a, ask.Challenge)
	r.logins = append(r.logins, in)
	if r.rng.IntN(2) == 0 {
		_, err := desk.LoginFinish(ctx, in)
		r.note("login", err)
		if _, again := desk.LoginFinish(ctx, in); err == nil && again == nil {
			r.t.Error("a login was taken twice")
		}
	}
}

// replays tries what was signed where it does not belong, or again.
func (r *replayer) replays() {
	if len(r.seen) == 0 {
		return
	}
	desk, ctx := agent.Approvals(r.agent), r.t.Context()
	d, other := pick(r.rng, r.seen), pick(r.rng, r.seen)
	target := pick(r.rng, r.numbers)
	if len(r.waiting) > 0 && r.rng.IntN(3) > 0 {
		target = pick(r.rng, r.waiting)
	}
	// fresh is a question about the target, or one about it that shows what another one does.
	fresh := func(seen []byte) ([]byte, error) {
		ask, err := desk.DecisionBegin(ctx, approve.Ask{Number: target.Number, Yes: true, Seen: seen})
		return ask.Challenge, err
	}
	switch r.rng.IntN(8) {
	case 0:
		r.hands("again", d)
	case 1:
		d.Number = target.Number
		r.hands("for another request", d)
	case 2:
		d.Number = target.Number
		if challenge, err := fresh(target.Digest); err == nil {
			d.Challenge = challenge
			r.hands("for a fresh question", d)
		}
	case 3:
		d.Number, d.Signature = target.Number, other.Signature
		r.hands("with another signature", d)
	case 4:
		d.Number, d.ClientData, d.Challenge = target.Number, other.ClientData, other.Challenge
		r.hands("with another question", d)
	case 5:
		if challenge, err := fresh(pick(r.rng, r.numbers).Digest); err == nil {
			d.Number, d.Challenge = target.Number, challenge
			r.hands("for what shows another one", d)
		}
	case 6:
		if len(r.logins) > 0 {
			r.hands("of a login", approve.Decision{Number: target.Number, Yes: true, Assertion: pick(r.rng, r.logins)})
		}
	default:
		if _, err := desk.LoginFinish(ctx, d.Assertion); err == nil {
			r.t.Error("a yes was taken for a login")
		}
		if _, err := desk.ResumeFinish(ctx, approve.Resumption{Assertion: d.Assertion}); err == nil {
			r.t.Error("a yes was taken for the end of a pause")
		}
		d.Yes = false
		r.hands("as a no", d)
	}
}

// hands gives the wallet a decision. It takes a yes that somebody has signed for this request,
// once.
func (r *replayer) hands(what string, d approve.Decision) {
	r.t.Helper()
	_, err := agent.Approvals(r.agent).DecisionFinish(r.t.Context(), d)
	r.note(what, err)
	if err != nil {
		return
	}
	signed := slices.ContainsFunc(r.seen, func(s approve.Decision) bool {
		return s.Number == d.Number && s.Yes == d.Yes && string(s.Signature) == string(d.Signature)
	})
	if !signed || r.taken[d.Number] {
		r.t.Errorf("%s: a yes to request %d was taken; signed %t, and one was taken before %t", what, d.Number, signed,
			r.taken[d.Number])
	}
	r.taken[d.Number] = true
}

func (r *replayer) note(what string, err error) {
	if r.tried[what] == nil {
		r.tried[what] = map[bool]int{}
	}
	r.tried[what][err == nil]++
}

// inspect holds the chain against what people have signed.
func (r *replayer) inspect() {
	r.t.Helper()
	r.t.Logf("%d requests, %d of them signed, %d taken; tried (taken or not): %v", r.asked, len(r.meant), len(r.taken),
		r.tried)
	byDigest := map[string]uint64{}
	for _, q := range r.numbers {
		byDigest[string(q.Digest)] = q.Number
	}
	there := map[uint64]bool{}
	for _, tx := range r.chain.Transactions() {
		packed, err := hive.Mainnet.Serialize(tx.Transaction.Transaction)
		r.must(err)
		digest := hive.Mainnet.SigningDigest(packed)
		number := byDigest[string(digest[:])]
		if !r.taken[number] || there[number] {
			r.t.Errorf("request %d is on the chain; taken %t, there before %t", number, r.taken[number], there[number])
		}
		there[number] = true
	}
	if len(there) != len(r.taken) {
		r.t.Errorf("%d of %d requests with a yes are on the chain", len(there), len(r.taken))
	}
	if len(there) < 10 || r.tried["again"][true] == 0 || r.tried["of a login"][false] == 0 {
		r.t.Error("hardly anything was tried")
	}
	found := verifyTrail(r.world)
	if found.Approvals != len(there) || len(found.Problems) > 0 {
		r.t.Errorf("%d are on the chain, and the trail says %+v", len(there), found)
	}
}
