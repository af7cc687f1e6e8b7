package keystore

import (
	"sync"
	"sync/atomic"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// maxShared bounds the shared secrets that one key keeps. An account uses a few relays, and each
// relay has one key at a time.
const maxShared = 8

// Key is a handle to one private key. It signs, decrypts memos and makes proofs of key, and no
// method returns the private key. A handle stays valid across [Store.Reload] and [Store.Unlock] as
// long as the account keeps this very key in this role. After that, and after [Store.Close], its
// methods return [ErrKeyGone], and between [Store.Lock] and Unlock [ErrLocked]. All methods may be
// called concurrently.
type Key struct {
	secret.Redacted
	role   hive.Role
	public hive.PublicKey

	mu      sync.RWMutex     // held for reading while the key is used, for writing to wipe it
	private *hive.PrivateKey // nil once gone, and while locked
	locked  bool

	cache  sync.Mutex // guards shared and next; taken with mu held
	shared []relaySecret
	next   int // index of the secret that the next one replaces, once there are maxShared
}

type relaySecret struct {
	relay  hive.PublicKey
	secret *hive.SharedSecret
}

func newKey(role hive.Role, private *hive.PrivateKey) *Key {
	return &Key{role: role, public: private.Public(), private: private}
}

// Role returns memo, posting, active or signing.
func (k *Key) Role() hive.Role { return k.role }

// Public returns the public key. It needs no computation, and works after the private key is gone.
func (k *Key) Public() hive.PublicKey { return k.public }

// use runs f with the private key, where f leaves no copy of it behind.
func (k *Key) use(f func(*hive.PrivateKey) error) (err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case k.locked:
		return ErrLocked
	case k.private == nil:
		return ErrKeyGone
	}
	apart(func() { err = f(k.private) })
	return err
}

// Sign signs the digest of a transaction, see [hive.PrivateKey.Sign].
func (k *Key) Sign(digest hive.Digest) (sig hive.Signature, err error) {
	err = k.use(func(private *hive.PrivateKey) (err error) {
		sig, err = private.Sign(digest)
		return err
	})
	return sig, err
}

// SignCanonical signs the digest of a challenge in the stricter form that some verifiers ask for
// (HAS §8.5).
func (k *Key) SignCanonical(digest hive.Digest) (sig hive.Signature, err error) {
	err = k.use(func(private *hive.PrivateKey) (err error) {
		sig, err = private.SignCanonical(digest)
		return err
	})
	return sig, err
}

// DecodeMemo decrypts a memo from or to this key and returns its text with the leading "#" (HAS
// §8.4).
func (k *Key) DecodeMemo(memo string) (text string, err error) {
	err = k.use(func(private *hive.PrivateKey) (err error) {
		text, err = private.DecodeMemo(memo)
		return err
	})
	return text, err
}

// Prove returns the proof of key for a relay: "#" and text as a memo encrypted to the relay's key
// (HAS §8.4). text is without "#": the milliseconds of now when registering, the uuid in answers.
// The first proof for a relay key costs a point multiplication. Later proofs use the shared secret,
// which is kept for eight relay keys.
func (k *Key) Prove(relay hive.PublicKey, text string) (proof string, err error) {
	err = k.use(func(*hive.PrivateKey) (err error) {
		proof, err = k.proveLocked(relay, text)
		return err
	})
	return proof, err
}

func (k *Key) proveLocked(relay hive.PublicKey, text string) (string, error) {
	secret, err := k.sharedLocked(relay)
	if err != nil {
		return "", err
	}
	// The clock makes nonces differ between runs of the program. Within one run they are counted.
	return secret.EncodeMemo(k.public, relay, "#"+text, nextNonce(time.Now()))
}

// sharedLocked returns the shared secret for a relay key. mu is held for reading. Two callers that
// find none at the same time both compute it: that is cheaper than a lock while computing.
func (k *Key) sharedLocked(relay hive.PublicKey) (*hive.SharedSecret, error) {
	if secret := k.cached(relay); secret != nil {
		return secret, nil
	}
	secret, err := k.private.SharedSecret(relay)
	if err != nil {
		return nil, err
	}
	return k.keep(relay, secret), nil
}

func (k *Key) cached(relay hive.PublicKey) *hive.SharedSecret {
	k.cache.Lock()
	defer k.cache.Unlock()
	for i := range k.shared {
		if k.shared[i].relay == relay {
			return k.shared[i].secret
		}
	}
	return nil
}

// keep adds a secret to the cache and returns the one to use. The secret that is replaced is not
// wiped, because another caller may be using it: it is overwritten by [Store.Lock], as all that is
// free.
func (k *Key) keep(relay hive.PublicKey, secret *hive.SharedSecret) *hive.SharedSecret {
	k.cache.Lock()
	defer k.cache.Unlock()
	for i := range k.shared {
		if k.shared[i].relay == relay {
			return k.shared[i].secret
		}
	}
	entry := relaySecret{relay: relay, secret: secret}
	if len(k.shared) < maxShared {
		k.shared = append(k.shared, entry)
		return secret
	}
	k.shared[k.next] = entry
	k.next = (k.next + 1) % maxShared
	return secret
}

// end wipes the private key and the shared secrets, for good. It waits for calls that are using
// them.
func (k *Key) end() { k.wipe(false) }

// lock does the same until revive.
func (k *Key) lock() { k.wipe(true) }

func (k *Key) wipe(locked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.locked = locked
	if k.private == nil {
		return
	}
	k.private.Wipe()
	k.private = nil
	for i := range k.shared {
		k.shared[i].secret.Wipe()
	}
	k.shared, k.next = nil, 0
}

// revive puts the private key into a locked handle again, or wipes that of one that has it.
func (k *Key) revive(private *hive.PrivateKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.locked {
		private.Wipe()
		return
	}
	k.private, k.locked = private, false
}

// lastNonce is the nonce of the last memo. There is one for the process, because two stores that
// hold the same key must not use a nonce twice either.
var lastNonce atomic.Uint64

// nextNonce returns a nonce above all earlier ones: the milliseconds of now in the upper 48 bits,
// or the last nonce plus one if that is more, as after the clock was set back (HAS §8.4; hive-js
// keeps a counter in the lower 16 bits).
func nextNonce(now time.Time) uint64 {
	lowest := uint64(now.UnixMilli()) << 16 //nolint:gosec // not before 1970
	for {
		last := lastNonce.Load()
		next := max(lowest, last+1)
		if lastNonce.CompareAndSwap(last, next) {
			return next
		}
	}
}
