package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// registerAll sets at every link the accounts that it serves: those of which a key is held, at an
// added relay only those that were paired there. Proofs are made with the lowest key of each that
// fits its account.
func (a *Agent) registerAll() error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	a.settleLocked()
	accounts := a.proving()
	var errs []error
	for _, l := range a.links.all() {
		errs = append(errs, l.SetAccounts(a.links.only(l.URL(), accounts)))
	}
	return errors.Join(errs...)
}

// proving returns the accounts that relays can be proved, each with the key that does it.
func (a *Agent) proving() (accounts []link.Account) {
	store := a.keys
	for _, name := range store.Accounts() {
		key, ok := a.provingKey(name)
		if !ok {
			continue
		}
		accounts = append(accounts, Proving(name, key))
	}
	return accounts
}

// Proving returns an account for links, which is proved by a key of it.
func Proving(name hive.AccountName, key *keystore.Key) link.Account {
	return link.Account{Name: name, KeyType: key.Role(), Prove: func(relay hive.PublicKey,
		text string) (string, error) {
		// The link passes the text with the sign of an encrypted memo, and the keystore sets it
		// itself.
		return key.Prove(relay, strings.TrimPrefix(text, "#"))
	}}
}

// relayKeyRefused raises the alarm about a relay that was refused because of its key.
func (a *Agent) relayKeyRefused(refusal *link.KeyError) {
	what, content := alarmPinnedKey, map[string]any{"relay": refusal.Relay, "key": refusal.Key.String()}
	if refusal.Of != "" {
		what, content["same_key_as"] = alarmRelayKey, refusal.Of
	} else {
		content["pinned"] = refusal.Pinned.String()
	}
	content["reason"] = what
	a.metrics.Alarm(what)
	a.noteEvent(eventAlarm, ledger.Entry{}, content)
	a.log.Error("alarm: "+what, "relay", refusal.Relay, "err", refusal, "hint", refusal.Advice())
}

// reserveOwnKey keeps the key of the relay that runs in this process for the links that lead to it.
// It does nothing if none does: then the wallet may reach it by another name, through a proxy.
func (a *Agent) reserveOwnKey(text string, links []*link.Link) {
	key, err := hive.ParsePublicKey(text)
	if err != nil {
		return
	}
	for _, l := range links {
		if a.settings().OwnRelay(l.URL()) {
			a.relayKeys.Reserve(key, l.URL())
		}
	}
}

// provingKey returns the lowest key of the account that the chain still knows in its role, as far
// as that was compared.
func (a *Agent) provingKey(account hive.AccountName) (*keystore.Key, bool) {
	for _, role := range a.keys.Roles(account) {
		// The signing key of a witness is no key of its account.
		if role != hive.Signing && !a.mismatch.has(account, role) {
			return a.keys.Key(account, role)
		}
	}
	return nil, false
}

// links is the connections to the relays of the settings, and to those that a person added by
// pairing. Goroutines of requests, the control socket and tidy use it.
type links struct {
	mu     sync.Mutex // guards all that follows
	list   []*link.Link
	stops  map[*link.Link]context.CancelFunc // of those that run, and whose relays the settings name
	added  map[string]*addedRelay            // by the address that is dialled
	gone   []*link.Link                      // removed since their drops were counted
	run    func(*link.Link, time.Duration) context.CancelFunc
	closed bool // the stop has begun: nothing is added any more
}

// addedRelay is a relay that is not in the settings.
type addedRelay struct {
	link   *link.Link
	offers map[hive.AccountName]time.Time // until when a pairing of an account may go on
	paired map[hive.AccountName][]ledger.SessionID
	stop   context.CancelFunc // nil before it runs
}

const (
	// maxAddedRelays bounds the relays that are not in the settings: each is a connection.
	maxAddedRelays = 8
	// addedLater is how long after a start an added relay is dialled: relays of the settings name
	// their keys first, so that no added one can name the key of one of them before it.
	addedLater = 10 * time.Second
)

// all returns the links. The caller does not change the list.
func (s *links) all() []*link.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

// counted returns the links, and once each of those that are gone.
func (s *links) counted() (list, gone []*link.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone, s.gone = s.gone, nil
	return s.list, gone
}

// only returns the accounts that a relay serves: all of them, or at an added one those that were
// paired there, or are about to be.
func (s *links) only(relay string, accounts []link.Account) []link.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	added, ok := s.added[relay]
	if !ok {
		return accounts
	}
	return slices.DeleteFunc(slices.Clone(accounts), func(account link.Account) bool {
		return !added.serves(account.Name)
	})
}

func (r *addedRelay) serves(account hive.AccountName) bool {
	return !r.offers[account].IsZero() || len(r.paired[account]) > 0
}

// start runs the links, and from now on each that is added.
func (s *links) start(ctx context.Context, running *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = func(l *link.Link, later time.Duration) context.CancelFunc {
		own, stop := context.WithCancel(ctx)
		running.Go(func() {
			if later == 0 || pause(own, later, nil) {
				l.Run(own)
			}
		})
		return stop
	}
	for _, l := range s.list {
		if added, ok := s.added[l.URL()]; ok {
			added.stop = s.run(l, addedLater)
		} else {
			s.runLocked(l)
		}
	}
}

// runLocked runs the link to a relay of the settings, if those run at all.
func (s *links) runLocked(l *link.Link) {
	if s.run == nil {
		return
	}
	if s.stops == nil {
		s.stops = map[*link.Link]context.CancelFunc{}
	}
	s.stops[l] = s.run(l, 0)
}

// exchange removes the links to relays that the settings do not name any more, and adds others. It
// returns what stops each of those removed; nil if it does not run. During a stop nothing changes.
func (s *links) exchange(gone, fresh []*link.Link) (stops []context.CancelFunc, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(l *link.Link) bool { return slices.Contains(gone, l) })
	s.gone = append(s.gone, gone...)
	for _, l := range gone {
		stops = append(stops, s.stops[l])
		delete(s.stops, l)
	}
	for _, l := range fresh {
		s.list = append(s.list, l)
		s.runLocked(l)
	}
	return stops, true
}

// removeAll removes all links, and what is known of added ones. It returns what stops those that
// run; during a stop it changes nothing.
func (s *links) removeAll() (stops []context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	for _, stop := range s.stops {
		stops = append(stops, stop)
	}
	for _, added := range s.added {
		if added.stop != nil {
			stops = append(stops, added.stop)
		}
	}
	s.gone = append(s.gone, s.list...)
	s.list, s.stops, s.added = nil, nil, nil
	return stops
}

// close lets no link be added or removed any more: the stop drains those that are there.
func (s *links) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// configured reports whether the settings name a relay.
func (a *Agent) configured(address string) bool {
	return slices.ContainsFunc(a.settings().Relays, func(relay config.Relay) bool {
		return sameRelay(relay.URL, address)
	})
}

// sameRelay reports whether two addresses, as they are dialled or written, are those of one relay.
func sameRelay(one, other string) bool {
	plain := func(address string) string {
		u, err := url.Parse(strings.TrimSuffix(address, "/"))
		if err != nil {
			return address
		}
		if u.Scheme == "https" {
			u.Scheme = "wss"
		}
		u.Host = strings.ToLower(u.Host)
		return u.String()
	}
	return plain(one) == plain(other)
}

// AddedRelay is what status says of a relay that is not in the settings: a person added it by
// pairing, for these accounts, until these sessions end.
type AddedRelay struct {
	Accounts []string           `json:"accounts"`
	Sessions []ledger.SessionID `json:"sessions"` // none while the first login is waited for
}

func (a *Agent) addedAt(relay string) *AddedRelay {
	a.links.mu.Lock()
	defer a.links.mu.Unlock()
	added, ok := a.links.added[relay]
	if !ok {
		return nil
	}
	shown := &AddedRelay{Accounts: []string{}, Sessions: []ledger.SessionID{}} // lists in JSON, too
	for account := range added.offers {
		shown.Accounts = append(shown.Accounts, string(account))
	}
	for account, sessions := range added.paired {
		shown.Accounts = append(shown.Accounts, string(account))
		shown.Sessions = append(shown.Sessions, sessions...)
	}
	slices.Sort(shown.Accounts)
	slices.Sort(shown.Sessions)
	shown.Accounts = slices.Compact(shown.Accounts)
	return shown
}

// settleLinks connects to the added relays that are wanted, for the accounts that want them, and
// leaves those that nothing wants any more.
func (a *Agent) settleLinks() {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	a.settleLocked()
}

// settleLocked does what settleLinks does, for a caller that holds reloads.
func (a *Agent) settleLocked() {
	if a.lock.Locked() {
		return // there are no links until it is unlocked
	}
	accounts := a.proving()
	for relay, paired := range a.pairedAtAdded() {
		if err := a.addRelay(relay, func(r *addedRelay) { r.paired = paired }); err != nil {
			a.log.Warn("the relay of a paired session is not served", "relay", relay, "err", err)
		}
	}
	a.links.mu.Lock()
	var unwanted []*addedRelay
	for relay, added := range a.links.added {
		maps.DeleteFunc(added.offers, func(_ hive.AccountName, until time.Time) bool { return time.Now().After(until) })
		if len(added.offers)+len(added.paired) == 0 && !a.links.closed {
			unwanted = append(unwanted, added)
			a.links.removeLocked(relay)
		}
	}
	kept := slices.Collect(maps.Values(a.links.added))
	a.links.mu.Unlock()
	for _, added := range unwanted {
		a.leave(added)
	}
	for _, added := range kept {
		// Nothing of it can fail: each account was checked where it serves at the other relays.
		_ = added.link.SetAccounts(a.links.only(added.link.URL(), accounts))
	}
}

// pairedAtAdded returns which sessions keep which relays that are not in the settings. A relay that
// is there without any has none.
func (a *Agent) pairedAtAdded() map[string]map[hive.AccountName][]ledger.SessionID {
	wanted := map[string]map[hive.AccountName][]ledger.SessionID{}
	a.links.mu.Lock()
	for relay := range a.links.added {
		wanted[relay] = map[hive.AccountName][]ledger.SessionID{}
	}
	a.links.mu.Unlock()
	for _, s := range a.ledger.Sessions() {
		if !s.AddedRelay || a.configured(s.Relay) {
			continue
		}
		if wanted[s.Relay] == nil {
			wanted[s.Relay] = map[hive.AccountName][]ledger.SessionID{}
		}
		account := hive.AccountName(s.Account)
		wanted[s.Relay][account] = append(wanted[s.Relay][account], s.ID)
	}
	return wanted
}

func (s *links) removeLocked(relay string) {
	gone := s.added[relay].link
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(l *link.Link) bool { return l == gone })
	s.gone = append(s.gone, gone)
	delete(s.added, relay)
}

// leave disconnects from a relay that was added, when what it brought is answered.
func (a *Agent) leave(added *addedRelay) {
	relay := added.link.URL()
	a.twins.remove(relay)
	a.log.Info("relay removed: no paired session needs it any more", "relay", relay)
	a.noteEvent(eventRemoved, ledger.Entry{}, map[string]any{"relay": relay})
	a.endLink(added.link, added.stop)
}

// endLink ends a link when what it brought is answered. stop is nil if it does not run.
func (a *Agent) endLink(l *link.Link, stop context.CancelFunc) {
	if stop == nil {
		return
	}
	a.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, a.settings().StopTimeout)
		defer cancel()
		_ = l.Drain(ctx) // what is not answered by then is not
		stop()
	})
}

// addRelay changes what is known of a relay that is not in the settings, and connects to it if that
// is new. The caller holds reloads, and sets the accounts of the link.
func (a *Agent) addRelay(address string, change func(*addedRelay)) error {
	if a.links.change(address, change) {
		return nil
	}
	relay, err := config.AddedRelay(address)
	if err != nil {
		return err
	}
	l, err := a.newLink(relay)
	if err != nil {
		return err
	}
	added := &addedRelay{link: l, offers: map[hive.AccountName]time.Time{}}
	change(added)
	accounts := slices.DeleteFunc(a.proving(), func(one link.Account) bool { return !added.serves(one.Name) })
	if err := l.SetAccounts(accounts); err != nil { // before it runs: the first connection proves them
		return err
	}
	a.twins.add(l.URL(), false)
	if err := a.links.add(added); err != nil {
		a.twins.remove(l.URL())
		return err
	}
	return nil
}

// add adds a relay that is not there yet, and runs its link if those of the settings run.
func (s *links) add(added *addedRelay) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("the wallet is stopping")
	case len(s.added) >= maxAddedRelays:
		return fmt.Errorf("%d relays are served that are not in the settings, and no more may be: add this one to "+
			"relays in config.yaml and run `pksa reload`, or end sessions of the others (`pksa status` shows which)",
			maxAddedRelays)
	}
	if s.added == nil {
		s.added = map[string]*addedRelay{}
	}
	s.added[added.link.URL()] = added
	s.list = append(slices.Clone(s.list), added.link)
	if s.run != nil {
		added.stop = s.run(added.link, 0)
	}
	return nil
}

// change changes what is known of an added relay. It reports false if there is none at the address.
func (s *links) change(address string, change func(*addedRelay)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for relay, added := range s.added {
		if sameRelay(relay, address) {
			change(added)
			return true
		}
	}
	return false
}

// servesAt reports whether an account is served at a relay, which may be an added one.
func (a *Agent) servesAt(address string, account hive.AccountName) (serves bool) {
	if !a.links.change(address, func(r *addedRelay) { serves = r.serves(account) }) {
		serves = a.configured(address)
	}
	return serves
}

// offerRelay adds a relay for one account, as a person wants for a pairing link, or keeps it while
// the pairing goes on.
func (a *Agent) offerRelay(address string, account hive.AccountName) error {
	if a.configured(address) {
		return nil
	}
	fresh := !a.servesAt(address, account)
	a.reloads.Lock()
	err := a.addRelay(address, func(r *addedRelay) { r.offers[account] = time.Now().Add(pairingWait) })
	if err == nil {
		a.settleLocked()
	}
	a.reloads.Unlock()
	if err == nil && fresh {
		a.log.Info("relay added by pairing", "relay", address, "account", account)
		a.noteEvent(eventAdded, ledger.Entry{Account: string(account)}, map[string]any{"relay": address})
	}
	return err
}

// endOffer lets the session keep the relay that its pairing has made.
func (a *Agent) endOffer(address string, account hive.AccountName) {
	if a.links.change(address, func(r *addedRelay) { delete(r.offers, account) }) {
		a.settleLinks()
	}
}
