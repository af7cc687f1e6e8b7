package link

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pksa/agent/outage"
	"pksa/protocol/hive"
)

// Keys knows which relay has which public key, over all links of a wallet. A relay that names the
// key of another one can pass the wallet's registrations on to that one: the proofs in them are
// made for that key, so they are good there, and every request then comes twice. So one key is the
// key of one relay. The zero value is ready; its methods may be called concurrently.
type Keys struct {
	mu       sync.Mutex
	reserved map[hive.PublicKey][]string // addresses that alone may have the key
	held     map[hive.PublicKey]holder
}

// holder is the relay that named a key first.
type holder struct {
	relay string
	by    *Link     // of two links to a relay, while one takes the place of the other, the newer
	until time.Time // zero while its connection lives
}

// keyKept is how long a key stays a relay's after its connection has ended. Without this a relay
// could take the key of another one while that one is dialled again, and shut it out.
const keyKept = 10 * time.Minute

// KeyError means that a relay was refused because of its public key, before any proof of key was
// made for it.
type KeyError struct {
	Relay  string         // which was refused
	Key    hive.PublicKey // which it named
	Pinned hive.PublicKey // which it should have; null if the key is another relay's
	Of     string         // the relay that has the key; empty if the refused one is pinned
}

// Error returns what is wrong, in a line.
func (e *KeyError) Error() string {
	if !e.Pinned.IsNull() {
		return fmt.Sprintf("refused: the relay names the key %s, the settings pin %s", e.Key, e.Pinned)
	}
	return fmt.Sprintf("refused: the relay names the key of %s, %s", clip(e.Of), e.Key)
}

// Advice returns what a person can do about it.
func (e *KeyError) Advice() string {
	if !e.Pinned.IsNull() {
		return "another server answers at the relay's address, or the relay has a new key: ask who runs it, and " +
			"change or remove key: of this relay in the setting relays"
	}
	return "one of the two poses as the other to get its requests, or both are one relay: remove the one that you do " +
		"not trust, or one of them, from the setting relays. key: there pins the key of the other"
}

// Reserve keeps a key for the relays of some addresses, in the form of [Link.URL], until Unreserve.
// Nobody else may have it from then on. It is called before these links run.
func (k *Keys) Reserve(key hive.PublicKey, relays ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reserved == nil {
		k.reserved = map[hive.PublicKey][]string{}
	}
	k.reserved[key] = append(k.reserved[key], relays...)
}

// Unreserve takes back what one call of Reserve said of a key and one of the addresses.
func (k *Keys) Unreserve(key hive.PublicKey, relay string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	owners := k.reserved[key]
	if at := slices.Index(owners, relay); at >= 0 {
		owners = slices.Delete(slices.Clone(owners), at, at+1)
	}
	k.reserved[key] = owners
	if len(owners) == 0 {
		delete(k.reserved, key)
	}
}

// Forget lets another relay have the keys of one that the wallet leaves, at once: it may be the
// same server at another address.
func (k *Keys) Forget(relay string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.held, func(_ hive.PublicKey, h holder) bool { return h.relay == relay })
}

// claim makes key that of a relay, in place of the one that it had, unless another relay has it.
// Then it returns the address of that one. Of two that claim at the same moment one is first.
func (k *Keys) claim(key hive.PublicKey, by *Link, now time.Time) (of string) {
	relay := by.URL()
	k.mu.Lock()
	defer k.mu.Unlock()
	if owners := k.reserved[key]; len(owners) > 0 {
		for _, owner := range owners {
			if owner == relay {
				return ""
			}
		}
		return owners[0]
	}
	h, taken := k.held[key]
	if taken && h.relay != relay && (h.until.IsZero() || now.Before(h.until)) {
		return h.relay
	}
	for other, h := range k.held {
		if h.relay == relay {
			delete(k.held, other)
		}
	}
	if k.held == nil {
		k.held = map[hive.PublicKey]holder{}
	}
	k.held[key] = holder{relay: relay, by: by}
	return ""
}

// release records that the connection has ended on which a relay had the key.
func (k *Keys) release(key hive.PublicKey, by *Link, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h, ok := k.held[key]; ok && h.by == by {
		h.until = now.Add(keyKept)
		k.held[key] = h
	}
}

// refusedAgain is after how long Options.KeyRefused is called once more for a relay: one that names
// wrong keys on each connection must not fill log and audit trail.
const refusedAgain = time.Hour

// checkKey decides whether the relay may have the key that it named. It runs before anything is
// proved to that key.
func (l *Link) checkKey(key hive.PublicKey) error {
	refusal := &KeyError{Relay: l.URL(), Key: key}
	if pinned := l.options.Key; !pinned.IsNull() && key != pinned {
		refusal.Pinned = pinned
		return l.refuseKey(refusal)
	}
	if refusal.Of = l.options.Keys.claim(key, l, time.Now()); refusal.Of != "" {
		return l.refuseKey(refusal)
	}
	return nil
}

func (l *Link) refuseKey(refusal *KeyError) error {
	now := time.Now()
	l.mu.Lock()
	l.facts.KeyRefusals++
	l.facts.keyRefused = refusal
	tell := l.facts.keyTold.IsZero() || now.Sub(l.facts.keyTold) >= refusedAgain
	if tell {
		l.facts.keyTold = now
	}
	l.mu.Unlock()
	if tell && l.options.KeyRefused != nil {
		l.options.KeyRefused(refusal)
	}
	return outage.As(outage.Key, refusal)
}
