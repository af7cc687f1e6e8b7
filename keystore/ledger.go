package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"pksa/protocol/secret"
)

// ledgerKeys is what is derived from the ledger's sealing key. The sealing key itself never leaves
// the package.
type ledgerKeys struct {
	id      string
	key     secret.Hidden[[]byte] // the sealing key, for writing the file again; all others derive from it
	sealer  cipher.AEAD
	probe   cipher.AEAD
	periods []byte // of which the sealers by number are derived
	mac     []byte
	macs    sync.Pool // of *ledgerMAC
}

// ledgerMAC computes one MAC after another under the key of the ledger's. To begin with the key
// takes as long as a hundred bytes, and a trail has millions of records.
type ledgerMAC struct {
	hash.Hash
	length [8]byte
}

func newLedgerKeys(id string, key [32]byte) *ledgerKeys {
	k := &ledgerKeys{id: id, key: secret.Hide(bytes.Clone(key[:])),
		sealer: newSealer(subkey(key, id, "seal")), probe: newSealer(subkey(key, id, "probe")),
		periods: subkey(key, id, "periods"), mac: subkey(key, id, "mac")}
	k.macs.New = func() any { return &ledgerMAC{Hash: hmac.New(sha256.New, k.mac)} }
	return k
}

func newSealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // unreachable: a subkey has 32 bytes
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable: AES has blocks of 16 bytes
	}
	return sealer
}

// subkey derives a 32-byte key for one purpose, bound to the ledger's id.
func subkey(key [32]byte, id, purpose string) []byte {
	defer clear(key[:])
	sub, err := hkdf.Key(sha256.New, key[:], []byte(id), "pksa ledger v1: "+purpose, 32)
	if err != nil {
		panic(err) // unreachable: HKDF makes 32 bytes
	}
	return sub
}

// LedgerID returns the random name of the ledger that belongs to this keystore, 32 hexadecimal
// digits. It never changes.
func (s *Store) LedgerID() string { return s.ledger.id }

// LedgerSealer returns the AEAD under which programs of ledger format 1 sealed all values: it opens
// these, and seals nothing any more. It is AES-256-GCM with nonces of 12 bytes, under a key derived
// from the one in the keystore. It works after Close, too, because what the cipher holds cannot be
// wiped. It may be used concurrently.
func (s *Store) LedgerSealer() cipher.AEAD { return s.ledger.sealer }

// periodsInfo begins the info of the keys by number. Epoch and period follow, 8 bytes each.
const periodsInfo = "pksa ledger v2: seal"

// LedgerSealerOf returns the AEAD that seals the ledger's values of one epoch and period:
// AES-256-GCM with nonces of 12 bytes. Each pair of numbers has a key of its own, by HKDF-SHA-256
// from one that is derived for this purpose from the key in the keystore; neither of these leaves
// the package. The caller makes the nonces; random ones are good for 2^32 values of each pair. It
// works after Close, too. It may be called and used concurrently.
func (s *Store) LedgerSealerOf(epoch, period uint64) cipher.AEAD {
	info := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte(periodsInfo), epoch), period)
	key, err := hkdf.Expand(sha256.New, s.ledger.periods, string(info), 32)
	if err != nil {
		panic(err) // unreachable: HKDF makes 32 bytes
	}
	defer clear(key)
	return newSealer(key)
}

// ProbeSealer returns the AEAD by which copies of one wallet speak with each other, see
// agent/probe: AES-256-GCM under another key than the sealer's, because what it seals goes to
// relays. All copies of a keystore have the same.
func (s *Store) ProbeSealer() cipher.AEAD { return s.ledger.probe }

// LedgerMAC returns the HMAC-SHA-256, 32 bytes, of the parts of data, each with its length in front
// as 8 bytes, so that no two lists of parts are the same input. Its key is another one than the
// sealer's. It works after Close, too. It may be called concurrently.
func (s *Store) LedgerMAC(data ...[]byte) []byte {
	h := s.ledger.macs.Get().(*ledgerMAC)
	for _, part := range data {
		binary.BigEndian.PutUint64(h.length[:], uint64(len(part)))
		h.Write(h.length[:])
		h.Write(part)
	}
	sum := h.Sum(nil)
	h.Reset() // nothing stays of what was hashed
	s.ledger.macs.Put(h)
	return sum
}
