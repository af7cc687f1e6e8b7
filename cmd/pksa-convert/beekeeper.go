package main

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

// The numbers of a wallet of today, as beekeeper's source has them: magic, version, kdf, iterations
// (little-endian), salt, iv, the encrypted keys, and a tag over all before it.
const (
	walletMagic   = "BEEKWLT"
	walletVersion = 1
	walletKDF     = 1 // PBKDF2 with HMAC-SHA-512
	walletRounds  = 10_000_000
	leastSalt     = 8
	mostSalt      = 64
	tagSize       = sha256.Size
)

// What an entry of the keys takes at least: public key and private key.
const (
	publicSize  = 33
	privateSize = 32
	leastEntry  = publicSize + privateSize
)

var (
	errWallet = errors.New("this is no wallet of beekeeper: wanted one text in quotes, of hexadecimal digits")
	errKeys   = errors.New("the keys in it cannot be read")
)

// readBeekeeper reads a wallet of beekeeper. Keys that nobody has named are left out, unless there
// are no names: then all are returned without one.
func readBeekeeper(raw, password []byte, named names) (found, error) {
	blob, err := parseWallet(raw)
	if err != nil {
		return found{}, err
	}
	open, today := openLegacy, bytes.HasPrefix(blob, []byte(walletMagic))
	if today {
		open = openWallet
	}
	plain, err := open(blob, password)
	if err != nil {
		return found{}, err
	}
	defer clear(plain)
	keys, err := parseKeys(plain, true)
	if err != nil && !today {
		// The first ones kept no prefixes. What reads in one way does not in the other: the public
		// keys would not fit.
		keys, err = parseKeys(plain, false)
	}
	if err != nil {
		return found{}, err
	}
	return nameKeys(keys, named)
}

// parseWallet reads the text of the file, which is hexadecimal digits in JSON.
func parseWallet(raw []byte) ([]byte, error) {
	root, err := linejson.Parse(raw)
	if err != nil {
		return nil, errWallet
	}
	text, err := root.Text()
	if err != nil {
		return nil, errWallet
	}
	blob, err := hex.DecodeString(text)
	if err != nil || len(blob) == 0 {
		return nil, errWallet
	}
	return blob, nil
}

// openLegacy opens a wallet of before: AES-256-CBC, key and iv from one SHA-512 of the password,
// with that SHA-512 in front of the keys. An altered one may open to something else.
func openLegacy(blob, password []byte) ([]byte, error) {
	sum := sha512.Sum512(password)
	defer clear(sum[:])
	plain, err := openCBC(sum[:32], sum[32:48], blob)
	if err != nil {
		return nil, errPassword
	}
	// Needed: one wrong password in 256 leaves a padding that looks right.
	if len(plain) < len(sum) || subtle.ConstantTimeCompare(plain[:len(sum)], sum[:]) != 1 {
		clear(plain)
		return nil, errPassword
	}
	return plain[len(sum):], nil
}

// sealedWallet is a wallet of today.
type sealedWallet struct {
	rounds           int
	salt, iv, sealed []byte
	covered, tag     []byte
}

// parseSealed reads a wallet of today as far as it is not encrypted.
func parseSealed(blob []byte) (w sealedWallet, err error) {
	const head = len(walletMagic) + 1 + 1 + 4 + 1
	cut := errors.New("the wallet is cut off")
	if len(blob) < head {
		return w, cut
	}
	rest := blob[len(walletMagic):]
	if rest[0] != walletVersion || rest[1] != walletKDF {
		return w, fmt.Errorf("a wallet of version %d with key derivation %d is not known here: version %d with %d is",
			rest[0], rest[1], walletVersion, walletKDF)
	}
	rounds, salt := binary.LittleEndian.Uint32(rest[2:]), int(rest[6])
	if rounds == 0 || rounds > walletRounds || salt < leastSalt || salt > mostSalt {
		return w, fmt.Errorf("wanted 1 to %d iterations and a salt of %d to %d bytes", walletRounds, leastSalt,
			mostSalt)
	}
	if rest = rest[7:]; len(rest) < salt+1+aes.BlockSize+aes.BlockSize+tagSize {
		return w, cut
	}
	w.rounds, w.salt = int(rounds), rest[:salt]
	if rest = rest[salt:]; rest[0] != aes.BlockSize {
		return w, fmt.Errorf("wanted an iv of %d bytes", aes.BlockSize)
	}
	w.iv, rest = rest[1:1+aes.BlockSize], rest[1+aes.BlockSize:]
	w.sealed, w.tag = rest[:len(rest)-tagSize], rest[len(rest)-tagSize:]
	w.covered = blob[:len(blob)-tagSize]
	if len(w.sealed)%aes.BlockSize != 0 {
		return w, cut
	}
	return w, nil
}

func openWallet(blob, password []byte) ([]byte, error) {
	w, err := parseSealed(blob)
	if err != nil {
		return nil, err
	}
	derived, err := pbkdf2.Key(sha512.New, string(password), w.salt, w.rounds, 64)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	mac := hmac.New(sha256.New, derived[32:])
	mac.Write(w.covered)
	if !hmac.Equal(mac.Sum(nil), w.tag) {
		return nil, errPassword
	}
	return openCBC(derived[:32], w.iv, w.sealed)
}

// parseKeys reads the map of keys as beekeeper packs it: how many, then for each the public key,
// the private key and, in all but the first wallets, the prefix of its public key in text. Each
// private key must be that of its public key, and nothing may follow.
func parseKeys(plain []byte, prefixed bool) (keys []*hive.PrivateKey, err error) {
	defer func() {
		if err != nil {
			for _, k := range keys {
				k.Wipe()
			}
			keys = nil
		}
	}()
	n, rest, ok := cutVarint(plain)
	if !ok || n > uint64(len(rest)/leastEntry) {
		return nil, errKeys
	}
	for range n {
		if len(rest) < leastEntry {
			return keys, errKeys
		}
		private, err := hive.GeneratePrivateKey(bytes.NewReader(rest[publicSize : publicSize+privateSize]))
		if err != nil {
			return keys, errKeys
		}
		keys = append(keys, private)
		if public := private.Public(); !bytes.Equal(public[:], rest[:publicSize]) {
			return keys, errors.New("a private key in it is not that of its public key: it is damaged")
		}
		rest = rest[publicSize+privateSize:]
		if !prefixed {
			continue
		}
		var length uint64
		length, rest, ok = cutVarint(rest)
		if !ok || length > uint64(len(rest)) {
			return keys, errKeys
		}
		rest = rest[length:]
	}
	if len(rest) > 0 {
		return keys, errKeys
	}
	return keys, nil
}

// cutVarint reads a number of 32 bits in groups of seven, the lowest first.
func cutVarint(b []byte) (n uint64, rest []byte, ok bool) {
	for i := 0; i < len(b) && i < 5; i++ {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return n, b[i+1:], n < 1<<32
		}
	}
	return 0, nil, false
}

// nameKeys returns the keys with their names.
func nameKeys(keys []*hive.PrivateKey, named names) (f found, err error) {
	met := map[hive.PublicKey]bool{}
	for _, private := range keys {
		public := private.Public()
		o, ok := named[public]
		met[public] = true
		if len(named) > 0 && !ok {
			f.leave("%s: no -key names its account", public)
			private.Wipe()
			continue
		}
		f.keys = append(f.keys, key{o.account, o.role, private})
	}
	for public := range named {
		if !met[public] {
			f.wipe()
			return found{}, fmt.Errorf("it has no key %s, which -key names", public)
		}
	}
	return f, nil
}
