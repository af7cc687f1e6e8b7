package agent

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol/hive"
)

// payments is a ledger with a budget over it, and beside them what really happened: the naive model
// is a list that is added up.
type payments struct {
	*testing.T
	o     ledger.Options
	path  string
	now   time.Time
	l     *ledger.Ledger
	b     *budget
	rules *policy.Policy
	s     *ledger.Session
	made  []*payment
}

// payment is one admitted request.
type payment struct {
	at      time.Time
	amount  int64
	tx      hive.TxID
	number  uint64 // of the request
	onChain bool
	state   ledger.FateState // what the wallet believes
	lied    bool             // it was given back although the chain has it
	until   time.Time        // when its transaction expires, if the app made it
}

// counts returns the instant as of which it counts.
func (m *payment) counts() time.Time {
	if m.until.After(m.at) {
		return m.until
	}
	return m.at
}

const (
	mostPaid   = 100
	paidWindow = 24 * time.Hour
)

func newPayments(t *testing.T) *payments {
	p := &payments{T: t, path: filepath.Join(t.TempDir(), "ledger.db"), now: time.UnixMilli(1_700_000_000_000).UTC()}
	key := sha256.Sum256([]byte("ledger sealing of payments"))
	block, err := aes.NewCipher(key[:])
	p.must(err)
	aead, err := cipher.NewGCM(block)
	p.must(err)
	p.o = ledger.Options{ID: "payments", AEAD: aead, Logger: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return p.now },
		Sealer: func(uint64, uint64) cipher.AEAD { return aead },
		MAC: func(data ...[]byte) []byte {
			h := hmac.New(sha256.New, key[:])
			for _, d := range data {
				h.Write(d)
			}
			return h.Sum(nil)
		}}
	p.must(ledger.Create(p.path, p.o))
	rules, problems := policy.Compile("policy.yaml", []byte(fmt.Sprintf(`version: 1
allow: [{name: pay, request: sign, apps: any, key: active, operations: [transfer]}]
limits: [{name: tips, apps: any, spend: %d.000 HBD per 24h}]
`, mostPaid)), policy.Options{})
	if rules == nil {
		t.Fatal(problems)
	}
	p.rules = rules
	p.open()
	_, err = p.l.AddSlot(context.Background(), "app", "the secret of the slot, in plain sight", nil)
	p.must(err)
	p.s, err = p.l.AddSession(context.Background(), ledger.NewSession{Account: "alice", App: "app", AuthKey: "k",
		Origin: ledger.Hand, Expires: p.now.Add(365 * 24 * time.Hour)}, nil)
	p.must(err)
	return p
}

func (p *payments) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// open opens the ledger as a new process does.
func (p *payments) open() {
	var err error
	p.l, err = ledger.Open(p.path, p.o)
	p.must(err)
	p.b = new(budget)
	p.must(p.l.Look(context.Background(), func(v ledger.View) { p.b.load(v, p.rules) }))
}

// An app has so many transactions of its own making that are charged and can still be included, and
// so many bytes of charges. Beyond these it is told so; one that it was charged for is not one
// more, and another app has its own. What can no longer be included is forgotten.
func TestExactChargesOfOneApp(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	var e exactCharges
	id := func(n int) hive.TxID { return hive.TxID{byte(n), byte(n >> 8), 1} }
	add := func(n int, life time.Duration, split string) {
		e.add(storedCharges{Exact: id(n).String(), ExactApp: "app", ExactExpires: now.Add(life),
			Charges: []policy.Charge{{Limit: "l", Unit: "HIVE", Amount: "1", Split: split}}}, now)
	}
	full := func(app string, n int, now time.Time) bool {
		_, problem := e.paid(app, id(n), now)
		return problem != ""
	}
	for n := range mostExact - 1 {
		add(n, time.Minute, "")
	}
	if full("app", mostExact, now) {
		t.Error("full before it is")
	}
	add(mostExact-1, time.Hour, "")
	if !full("app", mostExact, now) {
		t.Error("there is no bound")
	}
	if paid, problem := e.paid("app", id(0), now); problem != "" || len(paid.charges) != 1 {
		t.Errorf("what was charged already: %v, %q", paid, problem)
	}
	if full("other", mostExact, now) {
		t.Error("another app has no room")
	}
	if full("app", mostExact, now.Add(time.Minute)) || len(e["app"].by) != 1 {
		t.Errorf("%d are kept that can be included", len(e["app"].by))
	}
	if e.drop(now.Add(time.Hour)); len(e) != 0 {
		t.Errorf("%d apps are kept", len(e))
	}

	const each = exactBytes + len("l") + len("HIVE") + len("1")
	for _, bytes := range []int{mostExactBytes - 1, mostExactBytes, mostExactBytes + 1} {
		e = nil
		add(1, time.Minute, string(make([]byte, bytes-each)))
		if got := full("app", 2, now); got != (bytes >= mostExactBytes) {
			t.Errorf("%d bytes of charges: full %t", bytes, got)
		}
		add(3, time.Hour, "")
		if full("app", 2, now.Add(time.Minute)); bytes >= mostExactBytes && e["app"].bytes != each {
			t.Errorf("of %d bytes %d are counted that can be included", bytes, e["app"].bytes)
		}
	}
}

// pay asks for a payment; it is admitted if the budget has room.
func (p *payments) pay(n int, amount int64) {
	p.Helper()
	ctx := context.Background()
	key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint(n)}
	_, err := p.l.Begin(ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte{byte(n), byte(n >> 8)}),
		Expires: p.now.Add(time.Minute)})
	p.must(err)
	id := sha256.Sum256([]byte(key.UUID))
	made := &payment{amount: amount, tx: hive.TxID(id[:20])}
	out, err := p.l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: p.s.ID,
		Nonce: p.now.UnixMilli() + int64(n)%1000}, func(v ledger.View) ledger.Ruling {
		total := new(big.Rat)
		p.b.use(v, func(b *policy.Book) {
			total = b.Used(policy.Counter{Limit: "tips", Unit: "HBD"}, paidWindow,
				v.Now)
		})
		if total.Add(total, big.NewRat(amount, 1)).Cmp(big.NewRat(mostPaid, 1)) > 0 {
			return ledger.Ruling{}
		}
		made.at = v.Now
		tx := &transaction{id: made.tx, tx: hive.Transaction{Expiration: hive.TimeOf(v.Now.Add(time.Minute))}}
		charges := []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: fmt.Sprint(amount)}}
		proposed := &proposal{run: &run{app: "app"}, tx: tx, request: &policy.Request{Broadcast: true}}
		content := map[string]any{"cost": charges}
		if n >= 10 && n%4 == 1 { // the app made it, and it lives for up to a day
			proposed.request.Exact, tx.tx.Expiration = true, hive.TimeOf(v.Now.Add(time.Duration(n%3)*10*time.Hour))
			made.until = tx.tx.Expiration.Time()
			content["expires"] = made.until
		}
		record, _ := json.Marshal(content) // texts
		return ledger.Ruling{Verdict: ledger.Admitted, Record: record, TxID: tx.id, TxExpires: v.Now.Add(time.Minute),
			TxBytes: []byte("x"), Charges: p.b.charge(v, p.rules, charges, proposed)}
	})
	if errors.Is(err, ledger.ErrNoRun) {
		return
	}
	p.must(err)
	if out.Verdict != ledger.Admitted {
		p.must(p.l.Settle(out.Number, ledger.Settlement{Outcome: "refused"}))
		return
	}
	s := ledger.Settlement{Outcome: "accepted"}
	made.onChain = n%2 == 0 || !made.until.IsZero()
	if made.until.IsZero() && (!made.onChain || n%5 == 0) { // every tenth is on the chain, and was reported as failed
		s.Outcome, s.ChargedUntil, made.state = "expired", made.at.Add(31*24*time.Hour), ledger.Failed
	}
	made.number = out.Number
	p.must(p.l.Settle(out.Number, s))
	p.must(p.l.Flush(ctx))
	p.made = append(p.made, made)
}

// set records a fate, and reports whether the ledger took it.
func (p *payments) set(m *payment, state ledger.FateState) bool {
	p.Helper()
	_, err := p.l.SetFate(context.Background(), ledger.Fate{TxID: m.tx, Number: m.number, App: "app", State: state,
		TxExpires: m.at.Add(time.Minute), Until: m.at.Add(31 * 24 * time.Hour)}, ledger.Entry{Type: ledger.RecordEvent})
	var fate *ledger.FateError
	if errors.As(err, &fate) {
		return false
	}
	p.must(err)
	m.state = state
	return true
}

// check compares the counters with the list.
func (p *payments) check(step string) {
	p.Helper()
	var used, absent, onChain, lied int64
	for _, m := range p.made {
		// A slice of a day is a minute, and a charge leaves with its slice.
		leaves := m.counts().Truncate(time.Minute).Add(paidWindow)
		if m.counts().Truncate(time.Minute).Before(m.counts()) {
			leaves = leaves.Add(time.Minute)
		}
		if !leaves.After(p.now) {
			continue
		}
		if m.state != ledger.Released {
			used += m.amount
		}
		if m.state == ledger.Absent {
			absent += m.amount
		}
		// At the latest possible time: what the app made may be carried out until it expires.
		if late := m.counts(); late.After(p.now) || p.now.Sub(late) >= paidWindow {
			continue
		}
		if m.onChain {
			onChain += m.amount
		}
		if m.lied {
			lied += m.amount
		}
	}
	p.must(p.l.Look(context.Background(), p.b.refresh))
	room := p.b.room(p.rules, p.now)
	never := ""
	if absent > 0 {
		never = fmt.Sprint(absent)
	}
	if len(room) != 1 || room[0].Used != fmt.Sprint(used) || room[0].NotOnChain != never {
		p.Fatalf("%s: room %+v, want %d used and %d not on the chain", step, room, used, absent)
	}
	// The chain never has more than the limit and what two hosts lied about.
	if onChain > mostPaid+lied {
		p.Fatalf("%s: %d on the chain in one window, of %d, and %d were lied about", step, onChain, mostPaid, lied)
	}
}

// TestReleasesAgainstAddingUp: whatever is given back, found again, swept and restarted, the
// counters are the sum of what was not given back, and the chain never has more than the limit
// allows and two hosts lied about.
func TestReleasesAgainstAddingUp(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPayments(t)
			defer func() { _ = p.l.Close() }()
			random := rand.New(rand.NewPCG(seed, 1))
			released := 0
			for n := range 150 {
				p.now = p.now.Add(time.Duration(random.IntN(40)) * time.Minute)
				what := random.IntN(12)
				var m *payment
				if len(p.made) > 0 {
					m = p.made[max(0, len(p.made)-1-random.IntN(min(20, len(p.made))))]
				}
				switch {
				case m == nil || what < 6:
					p.pay(n, int64(1+random.IntN(60)))
				case !m.until.IsZero(): // it is never given back
				case what == 6 && m.state == ledger.Failed && !m.onChain:
					p.set(m, ledger.Absent)
				case what < 9:
					// Two hosts that tell the truth never say so of what is on the chain; now and
					// then two lie.
					if m.onChain && random.IntN(3) > 0 {
						continue
					}
					was := m.state
					if took := p.set(m, ledger.Released); took != (was < ledger.Released) {
						t.Fatalf("released a payment in state %d: %t", was, took)
					} else if took {
						m.lied = m.onChain
						released++
					}
				case what == 9 && m.onChain:
					p.set(m, ledger.OnChain)
				case what == 10:
					p.must(p.l.Close())
					p.open()
				}
				p.check(fmt.Sprintf("step %d", n))
			}
			if released < 5 {
				t.Errorf("%d releases show nothing", released)
			}
		})
	}
}

// What an earlier program charged after a person's yes stands under the number of the yes. It is
// shown apart, too, and can be given back.
func TestChargesUnderAnotherNumber(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	p.pay(1, 7)
	p.check("paid")
	p.made[0].number-- // as fates name it
	if !p.set(p.made[0], ledger.Absent) {
		t.Fatal("no fate")
	}
	p.check("not on the chain")
	a := &Agent{ledger: p.l}
	if got, err := a.charged(t.Context(), p.l.Fates()); err != nil || len(got[p.made[0].tx].Charges) != 1 {
		t.Errorf("charged %+v, %v", got, err)
	}
}

// What was given back does not count again when a ledger is led back whose sweeps under the wrong
// clock dropped charge and fate; what was found on the chain after all does.
func TestReleasedChargesAreNotReadFromTheTrail(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	for n := range 3 {
		p.now = p.now.Add(time.Minute)
		p.pay(n, int64(n+1))
	}
	note := func(m *payment, outcome string) {
		_, err := p.l.Append(context.Background(), ledger.Entry{Type: ledger.RecordAdmin, Outcome: outcome,
			Ref: m.number})
		p.must(err)
	}
	note(p.made[0], refund.RecordRelease)
	note(p.made[1], refund.RecordRelease)
	note(p.made[1], refund.RecordOnChain)
	all, err := mergeCharges(nil, Admin{Ledger: p.l}.recordedCharges(p.now, 31*24*time.Hour), p.now)
	p.must(err)
	var amounts []string
	for _, c := range all {
		amounts = append(amounts, decodeCharges(c).Charges[0].Amount)
	}
	if fmt.Sprint(amounts) != "[2 3]" {
		t.Errorf("these count: %v", amounts)
	}
}

// Status and metrics look at a copy: what a decision holds meanwhile does not keep them waiting,
// and they hold nothing that a decision needs.
func TestRoomNeedsNoLock(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	p.pay(1, 7)
	p.b.mu.Lock()
	room := p.b.room(p.rules, p.now)
	p.b.mu.Unlock()
	if len(room) != 1 || room[0].Used != "7" {
		t.Errorf("room %+v", room)
	}
}

// A record that was cut to its 8 KiB still says all that was charged: a ledger that is mended or
// led back counts no less. Where it does not, all of every limit counts as used.
func TestCostOfLongRecords(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	var charges []policy.Charge
	for n := range 400 {
		charges = append(charges, policy.Charge{Limit: "tips", Split: fmt.Sprintf("to=customer%04d", n), Unit: "HBD",
			Amount: fmt.Sprint(n + 1)})
	}
	for _, c := range []struct {
		name  string
		whole bool // as it is kept of what is carried out
	}{{"in full", true}, {"in part", false}} {
		content := audit.Content{Cost: charges}.Encode(audit.NewDraft(policy.Written{Request: "sign"}, c.whole), 0,
			c.whole)
		if len(content) > audit.MaxContent {
			t.Fatalf("%s: %d bytes", c.name, len(content))
		}
		lost, err := LostCharge(ledger.LostCharge{At: p.now, Record: &ledger.Record{Content: content}})
		p.must(err)
		p.wholeOrLost(c.name+", mended", decodeCharges(lost), charges, c.whole)

		key := ledger.RequestKey{Relay: "relay", UUID: c.name}
		_, err = p.l.Begin(ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte(c.name)),
			Expires: p.now.Add(time.Minute)})
		p.must(err)
		p.now = p.now.Add(time.Second)
		_, err = p.l.Admit(t.Context(), ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: p.s.ID,
			Nonce: p.now.UnixMilli()}, func(ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted, Record: content}
		})
		p.must(err)
		var last storedCharges
		for recorded, err := range (Admin{Ledger: p.l}).recordedCharges(p.now, 31*24*time.Hour) {
			p.must(err)
			last = recorded.storedCharges
		}
		p.wholeOrLost(c.name+", led back", last, charges, c.whole)
	}
}

func (p *payments) wholeOrLost(name string, got storedCharges, want []policy.Charge, whole bool) {
	p.Helper()
	if whole && !(reflect.DeepEqual(got.Charges, want) && got.LostUntil.IsZero()) {
		p.Errorf("%s: %d of %d charges, lost until %s", name, len(got.Charges), len(want), got.LostUntil)
	}
	if !whole && !got.LostUntil.After(p.now) {
		p.Errorf("%s: %d of %d charges, and nothing lost", name, len(got.Charges), len(want))
	}
}

// What was charged in a future that was left counts from the moment on at which the ledger was led
// back from that one, and not from a later time at which it was led back again.
func TestChargesOfTwoFutures(t *testing.T) {
	p := newPayments(t)
	defer func() { _ = p.l.Close() }()
	const far = 400 * 24 * time.Hour
	ctx, right := context.Background(), p.now
	var backs []time.Time
	for n := range 2 {
		p.now = right.Add(far)
		var err error
		p.s, err = p.l.AddSession(ctx, ledger.NewSession{Account: "alice", App: "app",
			AuthKey: ledger.Secret(fmt.Sprint("future ", n)), Origin: ledger.Hand, Expires: p.now.Add(time.Hour)}, nil)
		p.must(err)
		p.pay(n, int64(n+1))
		right = right.Add(time.Hour)
		p.now = right
		_, err = p.l.TurnBack(ctx, ledger.TurnBack{Now: p.now,
			Charges: func([]ledger.Charge) ([]ledger.Charge, error) { return nil, nil },
			Audit:   func(ledger.TurnedBack) []byte { return []byte("{}") }})
		p.must(err)
		backs = append(backs, p.now)
	}
	p.now = right.Add(time.Hour)
	var at []time.Time
	for c, err := range (Admin{Ledger: p.l}).recordedCharges(p.now, 31*24*time.Hour) {
		p.must(err)
		at = append(at, c.At)
	}
	if !reflect.DeepEqual(at, backs) {
		t.Errorf("they count from %v, want %v", at, backs)
	}
}
