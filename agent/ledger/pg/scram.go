package pg

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/secret"
)

// scramName is the only way in which a password is proven (RFC 7677). The server does not learn it,
// and shows that it knows it.
const scramName = "SCRAM-SHA-256"

// How many rounds of hashing a server may demand. Each connection pays for them, and whoever sees a
// proof tries passwords the faster the fewer they are. PostgreSQL's usual number is the least.
const (
	roundsLeast = 4096
	roundsMost  = 1_000_000
)

// scram is one proof of a password (RFC 5802), without channel binding: where the server is not on
// this machine its certificate is checked.
type scram struct {
	password secret.Hidden[secret.Text]
	bare     string // client-first-message-bare
	nonce    string
	server   [sha256.Size]byte // what the server must show
	proven   bool              // the proof was made
	done     bool              // the server has shown it
}

// newScram begins a proof.
func newScram(password func() (secret.Text, error), mechanisms []string) (*scram, error) {
	if !slices.Contains(mechanisms, scramName) {
		return nil, errors.New("the server does not offer " + scramName)
	}
	if password == nil {
		return nil, errors.New("the server asks for a password, and there is none; name its source in ledger_password")
	}
	p, err := password()
	if err != nil {
		return nil, err
	}
	// What RFC 4013 makes of other letters differs between programs; of these it makes nothing
	// else.
	if p == "" || strings.ContainsFunc(string(p), func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("the database's password is empty, or has letters other than those of ASCII")
	}
	s := &scram{password: secret.Hide(p), nonce: rand.Text()}
	s.bare = "n=,r=" + s.nonce // PostgreSQL takes the name from the beginning of the connection
	return s, nil
}

func (s *scram) first() []byte { return []byte("n,," + s.bare) }

// challenge is what a server demands of a proof.
type challenge struct {
	nonce  string // with its name: "r=…"
	salt   []byte
	rounds int
}

// readChallenge reads a challenge to whoever has sent a nonce of its own.
func readChallenge(text, own string) (c challenge, err error) {
	parts := strings.Split(text, ",")
	own = "r=" + own
	if len(parts) != 3 || !strings.HasPrefix(parts[0], own) || len(parts[0]) == len(own) ||
		!strings.HasPrefix(parts[1], "s=") || !strings.HasPrefix(parts[2], "i=") {
		return c, errProtocol
	}
	c.nonce = parts[0]
	c.salt, err = base64.StdEncoding.Strict().DecodeString(parts[1][2:])
	if err != nil || len(c.salt) == 0 {
		return c, errProtocol
	}
	c.rounds, err = strconv.Atoi(parts[2][2:])
	if err != nil || c.rounds < roundsLeast || c.rounds > roundsMost {
		return c, fmt.Errorf("the server demands %d rounds of hashing; %d to %d are possible (scram_iterations)",
			c.rounds, roundsLeast, roundsMost)
	}
	return c, nil
}

// final reads the server's challenge and returns the proof.
func (s *scram) final(text []byte) ([]byte, error) {
	if s.proven {
		return nil, errProtocol
	}
	c, err := readChallenge(string(text), s.nonce)
	if err != nil {
		return nil, err
	}
	salted, err := pbkdf2.Key(sha256.New, string(s.password.Reveal()), c.salt, c.rounds, sha256.Size)
	if err != nil {
		return nil, err
	}
	without := "c=biws," + c.nonce // biws: base64 of "n,,"
	message := s.bare + "," + string(text) + "," + without
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client[:])
	proof := mac(stored[:], message)
	subtle.XORBytes(proof[:], proof[:], client[:])
	key := mac(salted, "Server Key")
	s.server, s.proven = mac(key[:], message), true
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof[:])), nil
}

// check reads what the server shows.
func (s *scram) check(shown []byte) error {
	text, ok := strings.CutPrefix(string(shown), "v=")
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	if !s.proven || !ok || err != nil || !hmac.Equal(sum, s.server[:]) {
		return errors.New("the server does not know the password: it is not the one that it says it is")
	}
	s.done = true
	return nil
}

func mac(key []byte, text string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}
