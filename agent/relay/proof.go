package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Why a proof of key is refused. These are for the log; the sender gets one text for all of them.
var (
	errProofMissing = errors.New("no proof of key")
	errProofForm    = errors.New("proof of key is not an encrypted memo")
	errProofTo      = errors.New("proof of key is not for this relay")
	errProofFrom    = errors.New("proof of key is not from a key of the account")
	errProofOpen    = errors.New("proof of key does not open")
	errProofTime    = errors.New("proof of key is not within 10 s of now")
	errProofSpent   = errors.New("proof of key was used for a registration before")
	errProofUUID    = errors.New("proof of key is for another request")
)

// Bounds of what a prover remembers, in entries. Reaching one empties that memory, which only costs
// time.
const (
	maxSecrets = 50_000
	maxKnown   = 100_000
)

// prover checks proofs of key (HAS §8.4). It holds the relay's key, and remembers the secret shared
// with each key of an account, because making one costs a hundred times as much as using it, and
// for a while the keys of accounts. Its methods may be called concurrently.
type prover struct {
	key     *hive.PrivateKey
	keys    KeysFunc
	own     func(hive.AccountName) bool // Options.Known
	ttl     time.Duration
	timeout time.Duration

	mu      sync.Mutex
	secrets map[hive.PublicKey]*hive.SharedSecret
	known   map[hive.AccountName]knownKeys
	absent  map[hive.AccountName]time.Time // when the chain did not have them
}

type knownKeys struct {
	keys []hive.PublicKey
	at   time.Time
}

func newProver(key *hive.PrivateKey, c Options) *prover {
	return &prover{
		key: key, keys: c.Keys, own: c.Known, ttl: c.KeysTTL, timeout: c.Limits.Lookup,
		secrets: make(map[hive.PublicKey]*hive.SharedSecret), known: make(map[hive.AccountName]knownKeys),
		absent: make(map[hive.AccountName]time.Time),
	}
}

// keysOf returns the keys that may prove the account. If they cannot be looked up, those known
// before are used for ten times their usual life: nodes that are out of reach must not silence the
// wallets that are registered. A look-up waits for its turn first.
func (p *prover) keysOf(ctx context.Context, account hive.AccountName, now time.Time, wait turn) ([]hive.PublicKey,
	error) {
	p.mu.Lock()
	known, ok := p.known[account]
	missed, absent := p.absent[account]
	p.mu.Unlock()
	age := now.Sub(known.at)
	switch {
	case ok && age < p.ttl:
		return known.keys, nil
	case absent && now.Sub(missed) < absentTTL && !p.own(account):
		return nil, ErrNoAccount
	}
	keys, err := p.ask(ctx, account, wait)
	switch {
	case err == nil:
		// A copy: the slice belongs to whoever wrote Keys.
		p.remember(account, knownKeys{keys: slices.Clone(keys), at: now})
		return keys, nil
	case errors.Is(err, ErrNoAccount):
		p.miss(account, now)
		return nil, err
	case ok && age < 10*p.ttl:
		return known.keys, nil
	}
	return nil, fmt.Errorf("keys of %s: %w", account, err)
}

// turn waits until keys may be looked up. What it returns is called afterwards.
type turn func(ctx context.Context) (done func(), err error)

// atOnce lets a look-up begin without any wait.
func atOnce(context.Context) (func(), error) { return func() {}, nil }

func (p *prover) ask(ctx context.Context, account hive.AccountName, wait turn) ([]hive.PublicKey, error) {
	done, err := wait(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return p.keys(ctx, account)
}

// miss remembers for a while that the chain does not have an account.
func (p *prover) miss(account hive.AccountName, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.absent) >= maxAbsent {
		clear(p.absent)
	}
	p.absent[account] = now
}

func (p *prover) remember(account hive.AccountName, keys knownKeys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[account] = keys
	delete(p.absent, account)
}

// open returns the text of the memo, without its "#", and its header, if one of keys wrote it to
// the relay. The checks that cost nothing come first: making a shared secret is what a flood of bad
// proofs would use up.
func (p *prover) open(memo string, keys []hive.PublicKey) (text string, header hive.MemoHeader, err error) {
	if memo == "" {
		return "", header, errProofMissing
	}
	if len(memo) > maxPoK {
		return "", header, errProofForm
	}
	header, err = hive.ParseMemo(memo)
	if err != nil {
		return "", header, errProofForm
	}
	if header.To != p.key.Public() {
		return "", header, errProofTo
	}
	if !slices.Contains(keys, header.From) {
		return "", header, errProofFrom
	}
	secret, err := p.secret(header.From)
	if err != nil {
		return "", header, errProofOpen
	}
	text, err = secret.DecodeMemo(memo)
	if err != nil {
		return "", header, errProofOpen
	}
	return strings.TrimPrefix(text, "#"), header, nil
}

func (p *prover) secret(of hive.PublicKey) (*hive.SharedSecret, error) {
	p.mu.Lock()
	secret := p.secrets[of]
	p.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	secret, err := p.key.SharedSecret(of)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.secrets) >= maxSecrets {
		clear(p.secrets)
	}
	p.secrets[of] = secret
	return secret, nil
}

// checkTime checks the proof of a registration: its text is the time in ms when it was made, which
// is compared with the time at which the message arrived. It returns what names the proof.
func (p *prover) checkTime(memo string, keys []hive.PublicKey, arrived time.Time) (spentProof, error) {
	text, header, err := p.open(memo, keys)
	if err != nil {
		return spentProof{}, err
	}
	ms, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return spentProof{}, errProofTime
	}
	away := arrived.UnixMilli() - int64(ms)
	if away > proofWindow.Milliseconds() || away < -proofWindow.Milliseconds() {
		return spentProof{}, errProofTime
	}
	until := time.UnixMilli(int64(ms)).Add(proofWindow + time.Millisecond)
	return spentProof{from: header.From, nonce: header.Nonce, until: until}, nil
}

// checkAnswer checks the proof of an answer: its text is the uuid of the request, so that it proves
// no other answer.
func (p *prover) checkAnswer(memo string, keys []hive.PublicKey, id protocol.UUID) error {
	text, _, err := p.open(memo, keys)
	if err != nil {
		return err
	}
	if text != string(id) {
		return errProofUUID
	}
	return nil
}
