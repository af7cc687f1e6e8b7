package ledger

import (
	"crypto/cipher"
	"crypto/rand"
	"slices"
	"sync"
)

// vault seals, opens and hashes what one ledger keeps, under the keys of the keystore that the
// ledger belongs to. It may be used concurrently.
type vault struct {
	id      string      // of the keystore
	where   string      // identity of the store that is open; see [store]
	old     cipher.AEAD // of values without a number
	sealers sealers     // of the others, by number
	period  uint64      // records that share a key
	mac     func(data ...[]byte) []byte
	inputs  sync.Pool // of *writer: what a MAC was computed of
	packs   sync.Pool // of *writer: packed values
}

func (o *Options) vault() *vault {
	return &vault{id: o.ID, old: o.AEAD, sealers: sealers{derive: o.Sealer}, period: o.period, mac: o.MAC}
}

const (
	nonceSize = 12
	// periodRecords is how many records of the trail come before the next key.
	periodRecords = 1 << 20
	// inputMost is how many bytes of an input of a MAC are kept for the next one.
	inputMost = 64 << 10
	// sealedForm is the first byte of a value that says under which key it was sealed, and
	// packedForm that of one which was packed before.
	sealedForm = 2
	packedForm = 3
)

// sealNumber names the key of a value. It stands in clear in front of the value, with the form of
// that, and is a part of what the seal covers.
type sealNumber struct {
	epoch  uint64 // zero today; each of several writers of one ledger could have its own
	period uint64
}

// numberAt returns the number of the key for what is written with a record.
func (v *vault) numberAt(record uint64) sealNumber { return sealNumber{period: record / v.period} }

func (w *writer) sealNumber(form byte, n sealNumber) {
	w.byte(form)
	w.uint(n.epoch)
	w.uint(n.period)
}

// cutSealNumber returns the form and the number in front of a sealed value, and the value behind
// them. A value without a number begins with a random nonce, which looks like both now and then.
func cutSealNumber(sealed []byte) (form byte, n sealNumber, rest []byte, ok bool) {
	r := reader{b: sealed}
	form = r.byte()
	n = sealNumber{epoch: r.uint(), period: r.uint()}
	return form, n, r.b, !r.bad && (form == sealedForm || form == packedForm)
}

// packs reports whether values of a bucket are packed: those that speak of one request each. What
// else is stored is little, or has others' words beside those of who asks, who must not learn from
// the size of the whole whether they are the same.
func packs(b bucket) bool { return b == bucketAudit || b == bucketRequests }

// place returns the data that binds a value to its ledger, bucket and key, each with its length.
func (v *vault) place(b bucket, key []byte) *writer {
	w := writer{b: make([]byte, 0, 40+len(v.id)+len(b)+len(key))}
	w.text(v.id)
	w.text(string(b))
	w.bytes(key)
	return &w
}

// seal encrypts a value for its place, packed if it is of a bucket of which values are, and is
// smaller so. record is the number of the record that the value is written with, or of the last one
// before it. The result begins with the form, the number of the key, and the nonce.
func (v *vault) seal(record uint64, b bucket, key, plain []byte) []byte {
	form := byte(sealedForm)
	if packs(b) {
		w := v.scratch()
		defer v.giveBack(w)
		var smaller bool
		if w.b, smaller = pack(w.b, plain); smaller {
			form, plain = packedForm, w.b
		}
	}
	n := v.numberAt(record)
	aead, place := v.sealers.of(n), v.place(b, key)
	place.sealNumber(form, n)
	w := writer{b: make([]byte, 0, 1+2*10+nonceSize+len(plain)+aead.Overhead())}
	w.sealNumber(form, n)
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	w.fixed(nonce)
	return aead.Seal(w.b, nonce, plain, place.b)
}

// scratch returns room for a packed value, and giveBack takes it back.
func (v *vault) scratch() *writer {
	w, _ := v.packs.Get().(*writer)
	if w == nil {
		w = &writer{}
	}
	w.b = w.b[:0]
	return w
}

func (v *vault) giveBack(w *writer) {
	if cap(w.b) <= inputMost {
		v.packs.Put(w)
	}
}

// open decrypts a value that was sealed for this place. It returns ErrDamaged if the value was
// altered, or was sealed for another place.
//
// Whether a value has a number is not guessed: what looks like one is tried as one, and if that
// does not open, as a value without. The keys are independent, so a value opens one way at most.
func (v *vault) open(b bucket, key, sealed []byte) ([]byte, error) {
	place := v.place(b, key)
	if form, n, rest, ok := cutSealNumber(sealed); ok && len(rest) >= nonceSize {
		bound := *place // the number comes behind what place holds, and does not change it
		bound.sealNumber(form, n)
		open := func(to []byte) ([]byte, error) {
			return v.sealers.of(n).Open(to, rest[:nonceSize], rest[nonceSize:], bound.b)
		}
		if form == sealedForm {
			if plain, err := open(nil); err == nil {
				return plain, nil
			}
		} else {
			w := v.scratch()
			defer v.giveBack(w)
			if packed, err := open(w.b); err == nil {
				w.b = packed
				plain, err := unpack(packed)
				if err != nil {
					return nil, damaged(b, key)
				}
				return plain, nil
			}
		}
	}
	if len(sealed) < nonceSize {
		return nil, damaged(b, key)
	}
	plain, err := v.old.Open(nil, sealed[:nonceSize], sealed[nonceSize:], place.b)
	if err != nil {
		return nil, damaged(b, key)
	}
	return plain, nil
}

// openInPlace opens a value, which is large and was sealed by an older program, in the memory in
// which it lies, unless it looks as if it had a number. An error leaves nothing of use there.
func (v *vault) openInPlace(b bucket, key, sealed []byte) ([]byte, error) {
	if _, _, _, numbered := cutSealNumber(sealed); numbered || len(sealed) < nonceSize {
		return v.open(b, key, sealed)
	}
	nonce, value := sealed[:nonceSize:nonceSize], sealed[nonceSize:]
	plain, err := v.old.Open(value[:0], nonce, value, v.place(b, key).b)
	if err != nil {
		return nil, damaged(b, key)
	}
	return plain, nil
}

// recentSealers is how many ciphers are kept: one to write, the one before, and those of two who
// read old parts of the trail.
const recentSealers = 4

// sealers keeps the ciphers that were used last. Deriving one costs as much as sealing a few
// kilobytes.
type sealers struct {
	derive func(epoch, period uint64) cipher.AEAD

	mu     sync.Mutex
	recent []numberedSealer // the one used last comes first
}

type numberedSealer struct {
	sealNumber
	aead cipher.AEAD
}

// of returns the cipher of a number.
func (s *sealers) of(n sealNumber) cipher.AEAD {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.recent, func(k numberedSealer) bool { return k.sealNumber == n })
	if i == 0 {
		return s.recent[0].aead
	}
	var found numberedSealer
	if i > 0 {
		found = s.recent[i]
		s.recent = slices.Delete(s.recent, i, i+1)
	} else {
		found = numberedSealer{n, s.derive(n.epoch, n.period)}
		s.recent = s.recent[:min(len(s.recent), recentSealers-1)]
	}
	s.recent = slices.Insert(s.recent, 0, found)
	return found.aead
}

// hash returns a MAC under the ledger's key. The MAC covers the purpose, and each part with its
// length: no two lists of parts have one MAC.
func (v *vault) hash(purpose string, parts ...[]byte) [32]byte {
	w, _ := v.inputs.Get().(*writer)
	if w == nil {
		w = &writer{}
	}
	w.b = w.b[:0]
	w.text(purpose)
	w.text(v.id)
	for _, p := range parts {
		w.bytes(p)
	}
	var h [32]byte
	// One part, as every ledger has it so far: the MAC has the length of each part in front.
	copy(h[:], v.mac(w.b))
	if cap(w.b) <= inputMost { // a rare large one is not held
		clear(w.b) // secrets are hashed, too
		v.inputs.Put(w)
	}
	return h
}

// keyHash returns the key of an auth_key in its bucket. Keys are in clear in the store, auth_keys
// must not be.
func (v *vault) keyHash(k Secret) []byte {
	h := v.hash("auth_key", []byte(k))
	return h[:]
}
