package link

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// Options are what [New] needs. Only URL and Handler must be set.
type Options struct {
	// URL of the relay: wss://, https:// (meant as wss), or ws:// on loopback.
	URL string
	// Plaintext allows ws:// to any host, for a private network between containers.
	Plaintext bool
	// App is the name by which this wallet registers. The relay can read it. Default "pksa".
	App string

	// Handler is called with each request that passed decoding and numbers, each time on a
	// goroutine of its own: for one account in the order of frames, and for as many at once as
	// AccountRate lets come at once, 128 at least, and a MiB of frames that it has not said to be
	// Opened. It must return soon after ctx ends, which is when Run is told to stop. ctx outlives
	// the connection that brought the request.
	Handler func(ctx context.Context, d Delivery)
	// AtOnce, if set, reports whether Handler is called with a request before all that wait for
	// their call: for what takes no work and is about the link itself. It must not block.
	AtOnce func(r protocol.Request) bool
	// Dropped, if set, is called with each request that is dropped because there are too many. It
	// must not block: no frame is read meanwhile.
	Dropped func(account hive.AccountName, why Drop)
	// Slowed, if set, is called with each pause in reading that the relay makes necessary by
	// sending more than LinkRate. It must not block.
	Slowed func()
	// Ticket, if set, is called once for each request before Handler is, in the order of frames: it
	// takes the request's place in the order of its account, which calls of Handler do not keep. It
	// must not block: no frame is read meanwhile. What it returns becomes Delivery.Ticket.
	Ticket func(account hive.AccountName) any

	// Registered, if set, is called when the first account of a connection is acknowledged. It must
	// not block.
	Registered func()
	// Heard, if set, is called with what the relay says about a request that [Link.Ask] sent on the
	// connection: a protocol.Wait, Ack, Nack or Err of a challenge. It must not block.
	Heard func(m protocol.Message)
	// AnsweredElsewhere, if set, is called when the relay says that a request which we answered had
	// been answered by another wallet. It must not block.
	AnsweredElsewhere func()

	// KeyChanged, if set, is called when the relay has another key than on the connection before.
	// Relays may make a key for each start. It must not block.
	KeyChanged func(was, now hive.PublicKey)
	// Key is the only public key that the relay may have; null for any that no other relay has.
	Key hive.PublicKey
	// Keys knows the keys of the wallet's other relays. Links of one wallet share one; nil is for a
	// link that is alone.
	Keys *Keys
	// KeyRefused, if set, is called when the relay was refused because of its key, at most once an
	// hour. It must not block.
	KeyRefused func(*KeyError)
	// Private means that the relay is one of the user's own on this machine. It has another key
	// after each start, and nobody need know.
	Private bool

	// AnswerRefused, if set, is called when the relay sends an `error` while no registration is
	// outstanding and answers were written in the seconds before. It is about one of them, as far
	// as the relay can be believed; which one is known if it is alone. It must not block.
	AnswerRefused func(text string, sent []SentAnswer)

	// TLS is the configuration for wss; nil for the usual. The name to verify is filled in if it is
	// empty, and versions below 1.2 are never used.
	TLS *tls.Config
	// DialContext connects to an address such as "relay.example:443". It must return when ctx ends.
	// Default: that of a net.Dialer. No proxy is used.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// LinkRate bounds all frames, also pings and parts of messages; n bytes cost n/16384 tokens
	// beside one for each frame. The relay is read no faster, and hung up on when it sends more
	// than that for ten seconds. Default 2,000 a second and a burst of 4,000. A burst is never
	// smaller than what two frames of the largest size cost.
	LinkRate Rate
	// AccountRate bounds the requests for one account that a key opens, in equal shares of the apps
	// that ask: see [Delivery.Charge]. Default 200 a second and a burst of 1,000.
	AccountRate Rate
	// BusyRate bounds the requests above AccountRate for one account that are TooFast and not
	// Dropped, and BusyInFlight how many of them may be worked on at once for all accounts. Default
	// half of AccountRate, and 32.
	BusyRate     Rate
	BusyInFlight int
	// Tries bounds the keys that are tried on requests which nothing opens: see [Link.MayTry].
	// Default 190,000 a second, and twice as many at once.
	Tries Rate
	// RegisterRate is how many registrations begin each second, 2.5 times as many at a relay that
	// has kept up with them. Default 2,000.
	RegisterRate float64
	// InFlight is how many requests may be in flight at once, those that wait for their call of
	// Handler among them, AccountInFlight how many of them for one account. Default 2,048 and
	// 1,024.
	InFlight, AccountInFlight int
	// Held counts the bytes of the frames in flight of all links that have it, which are bounded
	// together; nil: of this one alone.
	Held *atomic.Int64

	// Logger gets the events of the link; payloads and proofs are never logged. Default: nothing is
	// logged.
	Logger *slog.Logger
}

// fill sets an option that was left out.
func fill[T comparable](setting *T, value T) {
	var zero T
	if *setting == zero {
		*setting = value
	}
}

func (o Options) withDefaults() Options {
	fill(&o.App, "pksa")
	fill(&o.LinkRate, Rate{PerSecond: 2000, Burst: 4000})
	fill(&o.AccountRate, Rate{PerSecond: 200, Burst: 1000})
	fill(&o.BusyRate, Rate{PerSecond: o.AccountRate.PerSecond / 2, Burst: max(1, o.AccountRate.Burst/2)})
	fill(&o.BusyInFlight, 32)
	// All 1,000 keys of an account for 200 requests a second, but for those that are tried always.
	fill(&o.Tries, Rate{PerSecond: 190_000, Burst: 380_000})
	fill(&o.RegisterRate, 2000)
	if o.Held == nil {
		o.Held = new(atomic.Int64)
	}
	fill(&o.InFlight, 2048)
	fill(&o.AccountInFlight, 1024)
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.AnswerRefused == nil {
		o.AnswerRefused = func(string, []SentAnswer) {}
	}
	if o.Dropped == nil {
		o.Dropped = func(hive.AccountName, Drop) {}
	}
	if o.AtOnce == nil {
		o.AtOnce = func(protocol.Request) bool { return false }
	}
	if o.Slowed == nil {
		o.Slowed = func() {}
	}
	if o.Ticket == nil {
		o.Ticket = func(hive.AccountName) any { return nil }
	}
	if o.Registered == nil {
		o.Registered = func() {}
	}
	if o.AnsweredElsewhere == nil {
		o.AnsweredElsewhere = func() {}
	}
	if o.Keys == nil {
		o.Keys = new(Keys)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) withLeastBurst() Options {
	o.LinkRate.Burst = max(o.LinkRate.Burst, leastBurst)
	return o
}

func (o Options) check() error {
	switch {
	case o.Handler == nil:
		return errors.New("link: no handler")
	case !o.LinkRate.usable(), !o.AccountRate.usable(), !o.BusyRate.usable(), !o.Tries.usable(),
		o.RegisterRate < 0:
		return errors.New("link: a rate must be above zero")
	case o.InFlight < 0, o.AccountInFlight < 0, o.BusyInFlight < 0:
		return errors.New("link: a number of requests must be above zero")
	}
	return nil
}

// Link is the connection to one relay, made again whenever it breaks. All methods may be called
// concurrently.
type Link struct {
	options Options // mu guards the rates in it, which SetRates replaces
	url     *url.URL
	log     *slog.Logger
	wake    chan struct{}  // tells the registrar that something has changed
	chance  func() float64 // of pauses, in tests; else nil

	handlers sync.WaitGroup

	mu         sync.Mutex // guards all that follows
	started    bool
	accounts   map[hive.AccountName]*entry
	reg        registry
	conn       *connection // the newest, once its key is known; else nil
	lastKey    hive.PublicKey
	limit      bucket
	tries      bucket       // of keys, on requests that nothing opens
	faultLines bucket       // lines about the relay's faults
	sent       []SentAnswer // the newest answers of this connection, the oldest first
	inFlight   int
	busy       int // of those in flight, those that are TooFast
	bytes      int // of the requests in flight
	draining   bool
	idle       chan struct{} // closed once draining and nothing is in flight
	facts      facts
}

// New returns a link without accounts, or what is wrong with the options. It connects when
// [Link.Run] is called.
func New(o Options) (*Link, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withLeastBurst()
	u, err := parseURL(o.URL, o.Plaintext)
	if err != nil {
		return nil, err
	}
	if !o.Key.IsNull() {
		o.Keys.Reserve(o.Key, u.String())
	}
	return &Link{
		options:  o,
		url:      u,
		log:      o.Logger.With("component", "link", "relay", u.String()),
		wake:     make(chan struct{}, 1),
		accounts: map[hive.AccountName]*entry{},
		reg:      registry{rate: Rate{PerSecond: o.RegisterRate, Burst: window}},
		idle:     make(chan struct{}),
		facts:    facts{drops: map[Drop]uint64{}, losses: map[outage.Reason]uint64{}},
	}, nil
}

// SetRates replaces Options.LinkRate and Options.AccountRate, and Options.BusyRate by its default
// for them. Tokens that are there stay, as far as the new bursts hold them.
func (l *Link) SetRates(link, account Rate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.options
	o.LinkRate, o.AccountRate, o.BusyRate = link, account, Rate{}
	o = o.withDefaults().withLeastBurst()
	l.options.LinkRate, l.options.AccountRate, l.options.BusyRate = o.LinkRate, o.AccountRate, o.BusyRate
	l.limit.cut(o.LinkRate)
	for _, e := range l.accounts {
		e.limit.cut(o.AccountRate)
		e.busy.cut(o.BusyRate)
		e.held.cut(o.AccountRate)
	}
}

// Unpin lets other relays have the key that Options.Key pins: the link is not used any more.
func (l *Link) Unpin() {
	if !l.options.Key.IsNull() {
		l.options.Keys.Unreserve(l.options.Key, l.URL())
	}
}

// URL returns the relay's address in the form in which it is dialled: the same text for one relay,
// however Options.URL spells it.
func (l *Link) URL() string { return l.url.String() }

// Run connects, serves, and connects again, until ctx ends. Then it takes no further request, the
// contexts of Handler's calls end, Run waits for the calls, closes the connection in order, and
// returns nil. To let work finish instead of cutting it off, call [Link.Drain] before ctx ends. A
// link runs once: a second call returns an error.
func (l *Link) Run(ctx context.Context) error {
	if !l.start() {
		return errors.New("link: run twice")
	}
	defer l.handlers.Wait()
	// Nothing that a relay does ends this loop: a wallet that gave up would need a person.
	retry := newRetry()
	if l.chance != nil {
		retry.random = l.chance
	}
	for ctx.Err() == nil {
		begun := time.Now()
		life, err := l.connect(ctx, retry.dialLimit())
		if ctx.Err() != nil {
			break
		}
		pause := retry.next(time.Since(begun), life, err, time.Now())
		l.recordLoss(err, time.Now().Add(pause))
		sleep(ctx.Done(), nil, pause)
	}
	return nil
}

func (l *Link) start() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started {
		return false
	}
	l.started = true
	l.facts.downSince = time.Now()
	return true
}

// sleep waits for d (without end if d is negative) or until wake is sent to. It reports false if
// done is closed.
func sleep(done, wake <-chan struct{}, d time.Duration) bool {
	var after <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-done:
		return false
	case <-wake:
	case <-after:
	}
	return true
}

// recordLoss records why a connection ended, or was not made, and when the next one is tried.
func (l *Link) recordLoss(err error, next time.Time) {
	reason := outage.Of(err)
	l.mu.Lock()
	l.facts.lastError, l.facts.lastErrorAt, l.facts.lastReason = clip(err.Error()), time.Now(), reason
	l.facts.losses[reason]++
	l.facts.next = next
	l.mu.Unlock()
	l.log.Warn("relay lost", "reason", reason, "err", clip(err.Error()),
		"retry", time.Until(next).Round(time.Millisecond))
}
