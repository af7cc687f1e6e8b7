package doctor

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/link"
	"pksa/agent/outage"
	"pksa/agent/probe"
	"pksa/agent/status"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// The times and sizes of a trial of a relay.
const (
	registerWait = 25 * time.Second        // name, TLS, greeting, key and registration; a dial alone may take 15 s
	copyLeast    = 1500 * time.Millisecond // that the answer of another copy has, or five round trips
	copyMost     = 4 * time.Second
	deliverWait  = 5 * time.Second
	lookEvery    = 20 * time.Millisecond
	mostAccounts = 100 // that a trial registers
	// fullTransaction is how much data a request has whose transaction is the largest that the
	// chain takes: 64 KiB, as text, sealed and in base64.
	fullTransaction = 128 << 10
)

// sizes are the bytes of data that a trial sends, one after the other, until one does not come
// back. The last one is near the most that relays of this program take, and many times what any
// transaction needs. All of them together are below a mebibyte, so no relay is hurt.
var sizes = []int{0, 64 << 10, 128 << 10, 256 << 10, 480 << 10}

// trial is what became of one relay.
type trial struct {
	url       string
	own       bool // the wallet's own relay, which runs only with it
	resolve   error
	made      error // the settings make no link of it
	status    link.Status
	asked     bool         // requests were sent to ourselves
	delivered int          // of sizes
	copy      *probe.Facts // of another copy of this wallet that answered; nil: none did
}

// relays tries each relay, or judges what the running agent says of them.
func (e *examiner) relays(ctx context.Context) bool {
	if e.status != nil {
		for _, l := range e.status.Links {
			if l.Connected {
				e.report.Relays = append(e.report.Relays, Relay{Relay: l.Relay, Protocol: l.Protocol,
					Registered: l.Registered})
			}
		}
		e.judgeLinks(e.trusting(ctx, e.status.Links))
		return true
	}
	if e.keys == nil {
		return false
	}
	var accounts []link.Account
	for _, name := range e.keys.Accounts() {
		if key, ok := e.provingKey(name); ok && len(accounts) < mostAccounts {
			accounts = append(accounts, agent.Proving(name, key))
		}
	}
	e.trials = make([]trial, len(e.o.Config.Relays))
	keys := &link.Keys{}
	var running sync.WaitGroup
	for i, r := range e.o.Config.Relays {
		running.Go(func() { e.trials[i] = e.try(ctx, r, keys, accounts) })
	}
	running.Wait()
	var links []agent.LinkStatus
	for _, t := range e.trials {
		switch {
		case t.own:
		case t.made != nil:
			e.found(Finding{Level: Error, What: t.made.Error(), Where: t.url, Meaning: "a start would fail",
				Next: "mend it in the setting relays"})
		case t.resolve != nil:
			e.found(Finding{Level: e.byRelays(), What: "the name of the relay leads nowhere: " + t.resolve.Error(),
				Where:   t.url,
				Meaning: "applications that ask there hear nothing",
				Next:    nextName})
		default:
			links = append(links, linkStatus(t))
			if t.status.Connected {
				e.report.Relays = append(e.report.Relays, t.seen())
			}
		}
	}
	e.judgeLinks(links)
	if used := e.unusedOwn(); used != "" {
		e.found(Finding{Level: Warning, What: "the wallet does not use its own relay", Where: "relay.listen",
			Meaning: "applications that ask there hear nothing", Next: "add " + used + " to the setting relays"})
	}
	return true
}

// provingKey returns the key with which a start would register an account: the lowest that fits the
// chain, as far as that was compared. Of others it is told that they do not fit.
func (e *examiner) provingKey(account hive.AccountName) (*keystore.Key, bool) {
	for _, role := range e.keys.Roles(account) {
		if role != hive.Signing && !slices.Contains(e.wrong[account], role.String()) {
			return e.keys.Key(account, role)
		}
	}
	return nil, false
}

// nextTrust is what to do where only the running wallet does not trust a relay.
const nextTrust = "start the wallet again: the doctor takes the certificate, and the wallet knows the authorities of " +
	"its start (SSL_CERT_FILE, or those of the system); if it still fails, compare the two environments"

// trusting returns the links, with a hint where the running wallet refuses a certificate that is
// taken here and now.
func (e *examiner) trusting(ctx context.Context, links []agent.LinkStatus) []agent.LinkStatus {
	ctx, cancel := context.WithTimeout(ctx, registerWait)
	defer cancel()
	links = slices.Clone(links)
	var running sync.WaitGroup
	for i := range links {
		l := &links[i]
		if l.Connected || l.LastReason != outage.TLS {
			continue
		}
		running.Go(func() {
			if e.shakes(ctx, l.Relay) {
				l.Hint = nextTrust
			}
		})
	}
	running.Wait()
	return links
}

// shakes reports whether a relay's certificate is taken here.
func (e *examiner) shakes(ctx context.Context, relay string) bool {
	u, err := url.Parse(relay)
	if err != nil {
		return false
	}
	dial := e.o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	raw, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return false
	}
	defer raw.Close()
	conf := &tls.Config{}
	if e.o.TLS != nil {
		conf = e.o.TLS.Clone()
	}
	conf.ServerName = u.Hostname()
	return tls.Client(raw, conf).HandshakeContext(ctx) == nil
}

// seen returns what a trial has shown of its relay.
func (t *trial) seen() Relay {
	r := Relay{Relay: t.url, Protocol: t.status.Protocol, Server: t.status.Server, Version: t.status.Version,
		Registered: t.status.Registered}
	if t.delivered > 0 {
		r.Largest = max(sizes[t.delivered-1], 1)
	}
	return r
}

// unusedOwn returns the address of the wallet's own relay if the wallet would not use it.
func (e *examiner) unusedOwn() string {
	if e.o.Config.RelayListen == "" {
		return ""
	}
	for _, r := range e.o.Config.Relays {
		if e.o.Config.OwnRelay(r.URL) {
			return ""
		}
	}
	return e.o.Config.RelayListen
}

// byRelays returns how bad it is that a relay cannot be used.
func (e *examiner) byRelays() Level {
	if len(e.o.Config.Relays) > 1 {
		return Warning
	}
	return Error
}

// try connects to a relay, registers the accounts there, sends a request to itself, and leaves. No
// request is answered: those of applications stay with the relay until the wallet runs.
func (e *examiner) try(ctx context.Context, r config.Relay, keys *link.Keys, accounts []link.Account) (t trial) {
	t.url = r.URL
	if t.own = e.o.Config.OwnRelay(r.URL); t.own {
		return t
	}
	ctx, leave := context.WithTimeout(ctx, registerWait+2*deliverWait)
	defer leave()
	if u, err := url.Parse(r.URL); err == nil && net.ParseIP(u.Hostname()) == nil {
		if t.resolve = e.o.Resolve(ctx, u.Hostname()); t.resolve != nil {
			return t
		}
	}
	own := newOwn()
	first := &asking{sealer: e.keys.ProbeSealer(), nonce: probe.NewID(), copies: make(chan probe.Facts, 1)}
	var l *link.Link
	l, t.made = link.New(link.Options{URL: r.URL, Plaintext: r.Plaintext, App: e.o.Config.Name, Key: r.Key, Keys: keys,
		DialContext: e.o.Dial, TLS: e.o.TLS, Logger: quiet(), Heard: first.heard,
		Handler: func(_ context.Context, d link.Delivery) { own.take(d.Request) }})
	if t.made == nil {
		t.made = l.SetAccounts(accounts)
	}
	if t.made != nil {
		return t
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer leave()
	running.Go(func() { _ = l.Run(ctx) })
	t.status = settled(ctx, l)
	if t.status.Registered > 0 {
		t.asked = true
		begun := time.Now()
		if _, ok := comesBack(ctx, l, own, first.data); ok {
			copies := time.NewTimer(min(max(5*time.Since(begun), copyLeast), copyMost))
			defer copies.Stop()
			for t.delivered = 1; t.delivered < len(sizes) && passes(ctx, l, own, sizes[t.delivered]); {
				t.delivered++
			}
			select {
			case other := <-first.copies:
				t.copy = &other
			case <-copies.C:
			case <-ctx.Done():
			}
		}
	}
	return t
}

// settled waits until a link has registered its accounts, or until it is known that it does not.
func settled(ctx context.Context, l *link.Link) link.Status {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	end := time.NewTimer(registerWait)
	defer end.Stop()
	for {
		s := l.Status()
		if s.LastError != "" || s.KeyRefused != nil || s.Connected && s.Pending == 0 {
			return s
		}
		select {
		case <-tick.C:
		case <-end.C:
			return s
		case <-ctx.Done():
			return s
		}
	}
}

// asking is a probe for another copy of this wallet, as a running wallet sends it. A copy answers
// it, and sends a probe of its own, which the doctor does not answer: only an answer makes anybody
// a copy, so nobody takes the doctor for one.
type asking struct {
	sealer  cipher.AEAD
	nonce   probe.ID
	copies  chan probe.Facts
	account atomic.Value // that was asked for, as a string
}

func (a *asking) data(account string) string {
	a.account.Store(account)
	return probe.Seal(a.sealer, account, probe.Message{Nonce: a.nonce, Facts: probe.Facts{Yielded: true}})
}

// heard takes what a relay says about requests to ourselves.
func (a *asking) heard(m protocol.Message) {
	account, _ := a.account.Load().(string)
	ack, ok := m.(protocol.Ack)
	if !ok {
		return
	}
	said, err := probe.Open(a.sealer, account, string(ack.Data))
	if err != nil || !said.Answer || said.Nonce != a.nonce {
		return // of others, or an answer that the relay has kept
	}
	select {
	case a.copies <- said.Facts:
	default: // another copy more
	}
}

// ofSize makes data of a size, sealed by a key that nobody has: a copy of the wallet drops it as
// the probe of another one, and whoever else serves the account cannot open it.
func ofSize(size int) func(account string) string {
	return func(account string) string {
		data := probe.Seal(stranger(), account, probe.Message{Nonce: probe.NewID()})
		return data + strings.Repeat("A", max(0, size-len(data)))
	}
}

// passes reports whether a relay delivers a request of a size. It is answered with a no, by which
// the relay lets go of it: requests that wait there take room from those of applications, and from
// a doctor that comes soon after this one.
func passes(ctx context.Context, l *link.Link, own *own, size int) bool {
	r, ok := comesBack(ctx, l, own, ofSize(size))
	if ok {
		_ = l.Answer(ctx, r.Account, protocol.Nack{Kind: r.Kind, UUID: r.UUID, Error: "probe"}) // else it waits
	}
	return ok
}

// own is the request to ourselves that a trial waits for. A relay may have many others for the
// accounts, those of applications and those of a doctor that came before: none takes its place.
type own struct {
	data atomic.Value // of the request, as a string
	came chan protocol.Request
}

func newOwn() *own { return &own{came: make(chan protocol.Request, 1)} }

// take keeps a request if it is the one that is waited for.
func (o *own) take(r protocol.Request) {
	if data, ok := o.data.Load().(string); !ok || r.Data != data {
		return
	}
	select {
	case o.came <- r:
	default: // the relay delivers it twice
	}
}

// comesBack sends a request to ourselves, and reports whether the relay delivers it.
func comesBack(ctx context.Context, l *link.Link, own *own,
	made func(account string) string) (r protocol.Request, ok bool) {
	account, ok := l.NextRegistered("")
	if !ok {
		return r, false
	}
	data := made(string(account))
	own.data.Store(data)
	if l.Ask(ctx, account, data) != nil {
		return r, false
	}
	end := time.NewTimer(deliverWait)
	defer end.Stop()
	for {
		select {
		case r = <-own.came:
			if r.Data == data { // and not the one before, once more
				return r, true
			}
		case <-end.C:
			return r, false
		case <-ctx.Done():
			return r, false
		}
	}
}

// stranger returns a sealer with a key that is used once.
func stranger() cipher.AEAD {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, _ := aes.NewCipher(key) // 32 bytes are a key
	aead, _ := cipher.NewGCM(block)
	return aead
}

// linkStatus returns what a trial has found in the words of an agent's status.
func linkStatus(t trial) agent.LinkStatus {
	s := agent.LinkStatus{Relay: t.url, Connected: t.status.Connected, Registered: t.status.Registered,
		Pending: t.status.Pending, Refused: t.status.Refused, Hint: t.status.Hint, LastError: t.status.LastError,
		LastReason: t.status.LastReason, RelayError: t.status.RelayError, Protocol: t.status.Protocol}
	if t.status.KeyRefused != nil {
		s.KeyRefused = t.status.KeyRefused.Error()
	}
	return s
}

// judgeLinks judges connections to relays.
func (e *examiner) judgeLinks(links []agent.LinkStatus) {
	level := Error
	for _, l := range links {
		if l.Registered > 0 {
			level = Warning // another relay serves
		}
	}
	for _, l := range links {
		f := Finding{Level: level, Where: l.Relay, Meaning: "applications that ask there hear nothing", Next: l.Hint}
		switch {
		case l.KeyRefused != "":
			f.What = l.KeyRefused
			e.found(f)
			continue
		case !l.Connected:
			f.What, f.Next = notConnected(l)
			if l.Hint == nextTrust {
				f.Next = l.Hint
			}
			e.found(f)
			continue
		case l.Registered == 0 && len(l.Refused) == 0 && l.Pending > 0:
			f.What, f.Next = "the relay does not say whether it takes the accounts", nextRelay
			e.found(f)
		case l.RelayError != "" && len(l.Refused) == 0:
			f.Level, f.What = Warning, "the relay said: "+l.RelayError
			e.found(f)
		}
		e.judgeRefused(l)
	}
}

// nextName is what to do about a name that leads nowhere.
const nextName = "check the name in the setting relays, and the resolver of this machine (/etc/resolv.conf)"

const nextRelay = "ask whoever runs the relay, or name another one in the setting relays"

// notConnected returns why a relay is not connected, and what a person does.
func notConnected(l agent.LinkStatus) (what, next string) {
	switch err := l.LastError; {
	case err == "":
		return "the relay is not connected, and there is no reason yet", nextRelay
	case l.LastReason == outage.Name:
		return "the name of the relay leads nowhere that may be used: " + err, nextName
	case l.LastReason == outage.Status:
		return "at this address is something else than a relay: " + err, "check address and path in the setting relays"
	case l.LastReason == outage.Busy:
		return "the relay has too much to do, or what stands before it does not reach it: " + err,
			"wait for some minutes; if it lasts, ask whoever runs the relay"
	case l.LastReason == outage.TLS:
		return "no secure connection to the relay: " + err,
			"check the name in the setting relays and the clock; if both are right, tell whoever runs the relay"
	case l.LastReason == outage.Local:
		return "this machine does not let the wallet connect: " + err,
			"look at its firewall, at what confines the wallet, and at how many files it may open"
	case strings.Contains(err, "no connected from"), strings.Contains(err, "no key_ack from"):
		// Slow, or no relay at all: it takes connections and says nothing that one says first.
		return "the relay does not speak HiveAuth as this wallet does: " + err, nextRelay
	case l.LastReason == outage.Connect, l.LastReason == outage.Timeout:
		return "the relay cannot be reached: " + err,
			"check the address in the setting relays, the network and the firewall"
	case l.LastReason == outage.Nonsense:
		return "the relay does not speak HiveAuth as this wallet does: " + err, nextRelay
	default: // also of an agent that is older than the reasons
		return "the relay is not connected: " + err, nextRelay
	}
}

// judgeRefused names the accounts that a relay does not take, but for those of which no key fits
// the chain: that was told, and no relay takes them.
func (e *examiner) judgeRefused(l agent.LinkStatus) {
	l.Refused = slices.DeleteFunc(slices.Clone(l.Refused), func(r link.Refusal) bool {
		fits, compared := e.fits[r.Account]
		return compared && !fits && r.Reason != link.ReasonSilence
	})
	for i, r := range l.Refused {
		if i == mostNamed {
			e.found(Finding{Level: Error, What: fmt.Sprintf("%d more accounts are not registered", len(l.Refused)-i),
				Where: l.Relay, Next: nextRelay})
			return
		}
		next := l.Hint
		switch {
		case next != "":
		case r.Reason == link.ReasonSilence:
			next = nextRelay
		default:
			next = "compare the key with the chain and the clock with the time; the relay may know an older key for " +
				"a while"
		}
		e.found(Finding{Level: Error, What: fmt.Sprintf("%s is not registered: %s", r.Account, r.Reason),
			Where:   l.Relay,
			Meaning: "requests for this account are not delivered", Next: next})
	}
}

// mostNamed is how many findings of one kind are named one by one.
const mostNamed = 20

// canary judges whether relays deliver: by requests that the agent sends itself, or by those of the
// trials.
func (e *examiner) canary(ctx context.Context) bool {
	if e.status == nil {
		asked := false
		for _, t := range e.trials {
			asked = asked || t.asked
			switch {
			case t.asked && t.delivered == 0:
				e.found(silent(t.url, "a request that the wallet sent itself did not come back"))
			case t.asked && t.delivered < len(sizes):
				e.found(limited(t))
			}
			if t.copy != nil {
				e.found(Finding{Level: Error, Where: t.url, What: fmt.Sprintf("another copy of this wallet runs: it "+
					"answered just now, with %d records in its ledger", t.copy.Records),
					Meaning: "where both serve, money is paid twice; of two the later one yields, and stops",
					Next: "find the other copy and stop it, or leave this one stopped; examples/docs/moving.md " +
						"tells how " +
						"one of the two goes on"})
			}
		}
		return asked
	}
	if e.hindered(status.CauseLocked) {
		return false // without keys it is at no relay
	}
	var found []probe.Canary
	if err := e.o.Call(ctx, agent.MethodCanary, struct{}{}, &found); err != nil {
		e.fault(err, "whether relays deliver is not known")
		return true
	}
	for _, c := range found {
		if c.Result == probe.Fails {
			e.found(silent(c.Relay, fmt.Sprintf("%d requests that the wallet sent itself failed: %s", c.Failed,
				c.Hint)))
		}
	}
	return true
}

// limited returns the finding for a relay that does not pass on the largest requests.
func limited(t trial) Finding {
	size := sizes[t.delivered]
	f := Finding{Level: Note, What: fmt.Sprintf("the relay passes no request of %d KiB on", size>>10), Where: t.url,
		Meaning: "the largest transactions of the chain are delivered; nothing beyond that needs as much",
		Next:    "nothing; a relay that passes more on is named in the setting relays"}
	if t.delivered > 1 {
		f.What += fmt.Sprintf("; one of %d KiB comes back", sizes[t.delivered-1]>>10)
	}
	if size <= fullTransaction {
		f.Level, f.Next = Warning, nextRelay
		f.Meaning = "a transaction with many operations, or a long text, is not delivered"
	}
	return f
}

// silent returns the finding for a relay that is connected and does not serve.
func silent(relay, what string) Finding {
	return Finding{Level: Error, What: what, Where: relay,
		Meaning: "the relay is connected, and delivers nothing or passes no answers on", Next: nextRelay}
}
