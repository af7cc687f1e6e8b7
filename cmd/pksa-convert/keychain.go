package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // of the first exports, as they are
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"pksa/keystore/linejson"
	"pksa/protocol/hive"
)

// The numbers of the exports, as the sources of the extension have them.
const (
	blockHex      = 32     // of salt and of iv, in hexadecimal digits
	roundsSHA1    = 100    // of the first exports
	roundsSHA256  = 10_000 // of those that followed
	gcmVersion    = 2
	gcmKDF        = "PBKDF2-HMAC-SHA256"
	gcmSalt       = 16
	gcmIV         = 12
	exportVersion = 2          // of what is encrypted, with accounts of other chains
	mostRounds    = 10_000_000 // ours: a file must not keep us busy for hours; the extension writes 600,000
)

// readKeychain reads an export of Hive Keychain.
func readKeychain(raw, password []byte) (found, error) {
	text := bytes.TrimSpace(raw)
	if bytes.HasPrefix(text, []byte("{")) {
		plain, err := openGCM(text, password)
		if err != nil {
			return found{}, err
		}
		defer clear(plain)
		return readExport(plain)
	}
	e, err := parseCBC(text)
	if err != nil {
		return found{}, err
	}
	// The file does not tell by which hash its key was made. What another one opens is no JSON.
	for _, way := range []struct {
		hash   func() hash.Hash
		rounds int
	}{{sha256.New, roundsSHA256}, {sha1.New, roundsSHA1}} {
		key, err := pbkdf2.Key(way.hash, string(password), e.salt, way.rounds, 32)
		if err != nil {
			return found{}, err
		}
		plain, err := openCBC(key, e.iv, e.sealed)
		clear(key)
		if err == nil {
			_, err = linejson.Parse(plain)
		}
		if err != nil {
			clear(plain)
			continue
		}
		defer clear(plain)
		return readExport(plain)
	}
	return found{}, errPassword
}

// sealedCBC is an export of the older forms: hexadecimal salt and iv, then base64.
type sealedCBC struct{ salt, iv, sealed []byte }

var errExport = errors.New("this is no export of Hive Keychain: wanted JSON, or salt and iv in hexadecimal digits " +
	"and then base64")

func parseCBC(text []byte) (e sealedCBC, err error) {
	if len(text) < 2*blockHex {
		return e, errExport
	}
	e.salt, err = hex.DecodeString(string(text[:blockHex]))
	if err == nil {
		e.iv, err = hex.DecodeString(string(text[blockHex : 2*blockHex]))
	}
	if err == nil {
		e.sealed, err = base64.StdEncoding.DecodeString(string(text[2*blockHex:]))
	}
	if err != nil || len(e.sealed) == 0 || len(e.sealed)%aes.BlockSize != 0 {
		return sealedCBC{}, errExport
	}
	return e, nil
}

// openCBC decrypts AES-CBC with the padding of PKCS #7.
func openCBC(key, iv, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errPassword
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		clear(plain)
		return nil, errPassword
	}
	return plain[:len(plain)-pad], nil
}

// sealedGCM is an export of today.
type sealedGCM struct {
	rounds           int
	salt, iv, sealed []byte
}

func parseGCM(text []byte) (e sealedGCM, err error) {
	root, err := linejson.Parse(text)
	if err != nil {
		return e, err
	}
	v, err := root.Exactly("version", "kdf", "iterations", "salt", "iv", "ciphertext")
	if err != nil {
		return e, err
	}
	version, err := v[0].Int()
	if err != nil {
		return e, err
	}
	kdf, err := v[1].Text()
	if err != nil {
		return e, err
	}
	if version != gcmVersion || kdf != gcmKDF {
		return e, fmt.Errorf("version %d with %.30q is not known here: version %d with %s is", version, kdf, gcmVersion,
			gcmKDF)
	}
	if e.rounds, err = v[2].Int(); err != nil {
		return e, err
	}
	for i, to := range []*[]byte{&e.salt, &e.iv, &e.sealed} {
		text, err := v[3+i].Text()
		if err != nil {
			return e, err
		}
		if *to, err = base64.StdEncoding.DecodeString(text); err != nil {
			return e, v[3+i].Wrap(errors.New("wanted base64"))
		}
	}
	if e.rounds < 1 || e.rounds > mostRounds || len(e.salt) != gcmSalt || len(e.iv) != gcmIV || len(e.sealed) == 0 {
		return e, fmt.Errorf("wanted 1 to %d iterations, a salt of %d bytes and an iv of %d", mostRounds, gcmSalt,
			gcmIV)
	}
	return e, nil
}

func openGCM(text, password []byte) ([]byte, error) {
	e, err := parseGCM(text)
	if err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(sha256.New, string(password), e.salt, e.rounds, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, e.iv, e.sealed, nil)
	if err != nil {
		return nil, errPassword
	}
	return plain, nil
}

// readExport reads what an export holds under its encryption: {"list": […]}, or with accounts of
// other chains {"v": 2, "hiveAccounts": […], …}.
func readExport(plain []byte) (f found, err error) {
	defer func() {
		if err != nil {
			f.wipe()
			f = found{}
		}
	}()
	root, err := linejson.Parse(plain)
	if err != nil {
		return f, fmt.Errorf("line %w", err)
	}
	members, err := root.Object()
	if err != nil {
		return f, err
	}
	var accounts *linejson.Value
	for i, m := range members {
		switch m.Name {
		case "list", "hiveAccounts":
			if accounts != nil {
				return f, errors.New("it has accounts in two places")
			}
			accounts = &members[i].Value
		case "hash": // of the list, as JavaScript writes it; the encryption has shown that it is whole
		case "v":
			if v, err := m.Value.Int(); err != nil || v != exportVersion {
				return f, fmt.Errorf("an export of another version than %d is not known here", exportVersion)
			}
		case "evmAccounts":
			if items, _ := m.Value.Array(); len(items) > 0 {
				f.leave("%d EVM accounts, which are no accounts of Hive", len(items))
			}
		case "settings":
			f.leave("the settings of Keychain")
		default:
			f.leave("%s, which is not known here", linejson.ShortName(m.Name))
		}
	}
	if accounts == nil {
		return f, errors.New("it has no accounts of Hive")
	}
	items, err := accounts.Array()
	for _, item := range items {
		if err == nil {
			err = f.readAccount(item)
		}
	}
	return f, err
}

// keychainRoles are the roles in the order of the list. Keychain keeps no others.
var keychainRoles = []hive.Role{hive.Posting, hive.Active, hive.Memo}

// readAccount reads {"name": "alice", "keys": {"posting": "5…", "postingPubkey": "STM…", …}}.
func (f *found) readAccount(v linejson.Value) error {
	members, err := v.Object()
	if err != nil {
		return err
	}
	var name string
	texts := map[string]string{}
	for _, m := range members {
		switch m.Name {
		case "name":
			if name, err = m.Value.Text(); err != nil {
				return err
			}
		case "keys":
			keys, err := m.Value.Object()
			if err != nil {
				return err
			}
			for _, k := range keys {
				if k.Value.Kind == linejson.Null {
					continue
				}
				if texts[k.Name], err = k.Value.Text(); err != nil {
					return err
				}
			}
		default:
			f.leave("%s of an account, which is not known here", linejson.ShortName(m.Name))
		}
	}
	if name == "" {
		return nil // the extension passes over those, too
	}
	account, err := hive.ParseAccountName(name)
	if err != nil {
		return err // the name is not repeated: in a damaged export it may be a key
	}
	for _, role := range keychainRoles {
		if err := f.readKey(account, role, texts[role.String()], texts[role.String()+"Pubkey"]); err != nil {
			return err
		}
	}
	return nil
}

// readKey takes a key, or leaves out what is none. public is what the export says of it.
func (f *found) readKey(account hive.AccountName, role hive.Role, text, public string) error {
	at := fmt.Sprintf("%s/%s", account, role)
	switch {
	case text == "":
		return nil
	case strings.HasPrefix(text, "#"):
		f.leave("%s: it is on a Ledger device", at)
		return nil
	case strings.HasPrefix(public, "@"):
		f.leave("%s: it is the key of %.20q, which the account has authorized; import it for that one", at, public)
		return nil
	}
	private, err := hive.ParseWIF(text)
	if err != nil {
		return fmt.Errorf("%s: not a private key", at) // never with a piece of it
	}
	if public != "" && private.Public().String() != public {
		private.Wipe()
		return fmt.Errorf("%s: the private key is not that of the public key beside it", at)
	}
	f.keys = append(f.keys, key{account, role, private})
	return nil
}
