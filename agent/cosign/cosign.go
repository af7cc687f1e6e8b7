// Package cosign tells whether the signatures of a transaction suffice, where several keys share an
// account.
//
// Start with [Recover], then [LookUp]. What accounts ask for comes from Hive API nodes: it decides
// whether a transaction is broadcast and what is said to be missing, and never whether something is
// signed.
package cosign

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pksa/agent/node"
	"pksa/protocol/hive"
)

// Signature is a signature with the key that made it.
type Signature struct {
	Key  hive.PublicKey
	Made hive.Signature
}

// Recover finds the keys of signatures over a digest. Of two by the same key the first counts,
// since the chain refuses both. An error names the signature that no key made.
func Recover(digest hive.Digest, signatures []hive.Signature) ([]Signature, error) {
	var found []Signature
	for i, made := range signatures {
		key, err := made.Recover(digest)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		if !slices.ContainsFunc(found, func(s Signature) bool { return s.Key == key }) {
			found = append(found, Signature{key, made})
		}
	}
	return found, nil
}

// Signers is what nodes say of the keys that have to sign a transaction, and the signatures that
// others made. It is of the moment at which the nodes were asked, and must not be used
// concurrently.
type Signers struct {
	quorum *hive.Quorum
	others []Signature
	prefix string // of public keys as text
}

// Ask returns accounts of the chain by name; those that it does not have are absent.
type Ask func(context.Context, ...hive.AccountName) (map[hive.AccountName]node.Account, error)

// LookUp asks for the accounts whose authority the transaction needs, for their members and the
// members of these: at most [hive.QuorumAccounts], in at most three steps. One key that suffices
// ends it earlier; of several, only all members tell which are superfluous. ours are the keys that
// will sign.
func LookUp(ctx context.Context, ask Ask, tx hive.Transaction, n *hive.Network, ours []hive.PublicKey,
	others []Signature) (*Signers, error) {
	s := &Signers{quorum: hive.NewQuorum(tx), others: others, prefix: n.KeyPrefix}
	for {
		names := s.quorum.Unknown()
		if len(names) == 0 || len(s.all(ours)) == 1 && s.Against(ours) == "" {
			return s, nil
		}
		found, err := ask(ctx, names...)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			a, ok := found[name]
			if !ok {
				s.quorum.Learn(name, nil)
				continue
			}
			s.quorum.Learn(name, &hive.Controls{Owner: a.Owner, Active: a.Active, Posting: a.Posting})
		}
	}
}

// all returns our keys and those of the others, each once.
func (s *Signers) all(ours []hive.PublicKey) []hive.PublicKey {
	keys := slices.Clone(ours)
	for _, other := range s.others {
		if !slices.Contains(keys, other.Key) {
			keys = append(keys, other.Key)
		}
	}
	return keys
}

// Missing returns the authorities that the others' signatures and ours do not satisfy; none if the
// chain takes them.
func (s *Signers) Missing(ours []hive.PublicKey) []hive.Shortfall { return s.quorum.Lacks(s.all(ours)) }

// Against returns why the transaction must not be broadcast with the others' signatures and ours,
// in words; empty if nothing is against it. A signature by a key that has no part in the
// authorities is a reason: the chain took none such before hardfork 28, and it was most likely made
// for another transaction.
func (s *Signers) Against(ours []hive.PublicKey) string {
	for _, key := range s.all(ours) {
		if !s.quorum.Names(key) {
			return fmt.Sprintf("a signature is by %s, which has no part in the authorities that the transaction "+
				"needs, or the signature is over another transaction%s", key.Text(s.prefix), s.cut())
		}
	}
	var words []string
	for i, one := range s.Missing(ours) {
		if i == mostNamed {
			words = append(words, "…")
			break
		}
		words = append(words, one.String())
	}
	if len(words) == 0 {
		return ""
	}
	return "signatures are missing: " + strings.Join(words, "; ") + s.cut()
}

// mostNamed is how many authorities a sentence names.
const mostNamed = 5

// cut returns that not all accounts were looked up, if so.
func (s *Signers) cut() string {
	if !s.quorum.Cut() {
		return ""
	}
	return fmt.Sprintf(" (no more than %d accounts are looked up)", hive.QuorumAccounts)
}

// Choose returns the signatures with which the transaction is broadcast, ours first: of each key
// one, and none that the chain does not need. They are none if they do not suffice.
func (s *Signers) Choose(ours []Signature) []hive.Signature {
	keys := make([]hive.PublicKey, len(ours))
	for i, one := range ours {
		keys[i] = one.Key
	}
	made := map[hive.PublicKey]hive.Signature{}
	for _, one := range slices.Concat(s.others, ours) {
		made[one.Key] = one.Made
	}
	var chosen []hive.Signature
	for _, key := range s.quorum.Choose(s.all(keys)) {
		chosen = append(chosen, made[key])
	}
	return chosen
}

// Superfluous returns which signatures Choose leaves out: their positions in the list of ours and
// then of those that came with the request, as they came. They are none if not all that there are
// suffice.
func (s *Signers) Superfluous(ours []Signature, asked []hive.Signature) []int {
	chosen := s.Choose(ours)
	if len(chosen) == 0 {
		return nil
	}
	var all []hive.Signature
	for _, one := range ours {
		all = append(all, one.Made)
	}
	var left []int
	for i, made := range append(all, asked...) {
		at := slices.Index(chosen, made)
		if at < 0 {
			left = append(left, i)
			continue
		}
		chosen = slices.Delete(chosen, at, at+1) // the same once more is superfluous
	}
	return left
}
