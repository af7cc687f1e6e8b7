package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

const (
	accountsAtOnce = 100
	// accountSize is what an account may take in an answer: both its texts of metadata can fill a
	// transaction.
	accountSize = 192 << 10
)

// Account is an account of the chain: the authorities and the memo key that may act for it.
type Account struct {
	Name                   hive.AccountName
	Owner, Active, Posting hive.Authority
	Memo                   hive.PublicKey // may be the null key
	// Signing is the key of the account's witness, null if it is retired. [Client.Witnesses] sets
	// it, and nothing else.
	Signing hive.PublicKey
	// State is what else the answer says of the account, nil if it does not say all of it.
	State *AccountState
}

// Keys returns the keys of the posting and active authorities and the memo key, each once, whatever
// their weights: the keys that may prove that somebody speaks for the account. The owner keys are
// not among them. The slice belongs to the caller.
func (a Account) Keys() []hive.PublicKey {
	var keys []hive.PublicKey
	add := func(key hive.PublicKey) {
		if !key.IsNull() && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, k := range a.Posting.KeyAuths {
		add(k.Key)
	}
	for _, k := range a.Active.KeyAuths {
		add(k.Key)
	}
	add(a.Memo)
	return keys
}

// Roles returns the roles in which the key counts, the weakest first: memo if it is the memo key,
// the others if it has a weight in the authority (tx §6). [Account.Share] says whether it needs
// others beside it. It returns nil for the null key.
func (a Account) Roles(key hive.PublicKey) []hive.Role {
	var roles []hive.Role
	if key.IsNull() {
		return nil
	}
	if key == a.Memo {
		roles = append(roles, hive.Memo)
	}
	for _, role := range []hive.Role{hive.Posting, hive.Active, hive.Owner} {
		if slices.ContainsFunc(a.authority(role).KeyAuths, func(k hive.KeyWeight) bool {
			return k.Key == key && k.Weight > 0
		}) {
			roles = append(roles, role)
		}
	}
	if key == a.Signing {
		roles = append(roles, hive.Signing)
	}
	return roles
}

// authority returns one of the three authorities.
func (a *Account) authority(role hive.Role) *hive.Authority {
	switch role {
	case hive.Owner:
		return &a.Owner
	case hive.Active:
		return &a.Active
	}
	return &a.Posting
}

// Share is what a key, or an account, weighs in an authority in which it needs others beside it.
// The zero value says that it needs nobody.
type Share struct{ Weight, Threshold uint32 }

// Share returns what a key weighs in the posting, active or owner authority where it does not reach
// the threshold alone; the zero value elsewhere.
func (a Account) Share(key hive.PublicKey, role hive.Role) Share {
	if role != hive.Posting && role != hive.Active && role != hive.Owner {
		return Share{}
	}
	return shareOf(a.authority(role), a.authority(role).KeyAuths, func(k hive.KeyWeight) (bool, uint16) {
		return k.Key == key, k.Weight
	})
}

// ShareOfAccount returns what another account weighs in the posting or active authority where it
// does not reach the threshold alone, and whether it is in there at all.
func (a Account) ShareOfAccount(name hive.AccountName, role hive.Role) (share Share, given bool) {
	authority := a.authority(role)
	weighs := func(w hive.AccountWeight) (bool, uint16) { return w.Account == name, w.Weight }
	given = slices.ContainsFunc(authority.AccountAuths, func(w hive.AccountWeight) bool {
		return w.Account == name && w.Weight > 0
	})
	return shareOf(authority, authority.AccountAuths, weighs), given
}

// shareOf looks for the one that is meant among the members of an authority.
func shareOf[T any](authority *hive.Authority, members []T, weighs func(T) (bool, uint16)) Share {
	for _, one := range members {
		if is, weight := weighs(one); is && weight > 0 && uint32(weight) < authority.WeightThreshold {
			return Share{uint32(weight), authority.WeightThreshold}
		}
	}
	return Share{}
}

// Authorities returns the authorities of the accounts by name. A name that the chain does not know
// is absent: that a name is unknown is believed when two nodes say so, or one if no other answers.
// A single node could still invent keys (tx §6). The error holds [ErrNoNode].
func (c *Client) Authorities(ctx context.Context, names ...hive.AccountName) (map[hive.AccountName]Account, error) {
	found := make(map[hive.AccountName]Account, len(names))
	for batch := range slices.Chunk(names, accountsAtOnce) {
		if err := c.gather(ctx, found, batch, c.accounts); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// fetch asks one node about accounts. A name that it does not know is absent.
type fetch func(ctx context.Context, n *endpoint, names []hive.AccountName) ([]Account, error)

// gather asks nodes until one has told of each name, or two have left it out.
func (c *Client) gather(ctx context.Context, found map[hive.AccountName]Account, names []hive.AccountName,
	ask fetch) error {
	var reason error
	answers := 0
	for _, n := range c.candidates() {
		accounts, err := ask(ctx, n, names)
		if err != nil {
			reason = fmt.Errorf("%s: %w", n.host, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		answers++
		for _, a := range accounts {
			found[a.Name] = a
		}
		// The next node is asked only for what this one lacks: two nodes that leave a name out are
		// enough to believe that the chain does not have it.
		names = slices.DeleteFunc(slices.Clone(names), func(name hive.AccountName) bool {
			_, ok := found[name]
			return ok
		})
		if len(names) == 0 || answers == 2 {
			return nil
		}
	}
	switch {
	case answers > 0:
		return nil
	case reason == nil:
		return ErrNoNode
	}
	return fmt.Errorf("%w: %w", ErrNoNode, reason)
}

func (c *Client) accounts(ctx context.Context, n *endpoint, names []hive.AccountName) ([]Account, error) {
	params := []byte("[[")
	for i, name := range names {
		if i > 0 {
			params = append(params, ',')
		}
		params = hive.AppendString(params, string(name))
	}
	// The answer grows with the names, and a node must not be able to make it grow further.
	limit := maxAnswer + int64(len(names))*accountSize
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_accounts", params: append(params, "]]"...),
		limit: limit})
	if err != nil {
		return nil, err
	}
	accounts, err := readAccounts(raw, c.options.Network.KeyPrefix)
	if err != nil {
		return nil, c.malformed(n, err.Error())
	}
	// Another name, or one name twice, would let a node slip in keys for an account that somebody
	// else is asked about.
	for i, a := range accounts {
		if !slices.Contains(names, a.Name) || slices.ContainsFunc(accounts[:i],
			func(b Account) bool { return a.Name == b.Name }) {
			return nil, c.malformed(n, "answers for accounts that were not asked for")
		}
	}
	return accounts, nil
}

type wireAccount struct {
	Name    string        `json:"name"`
	Owner   wireAuthority `json:"owner"`
	Active  wireAuthority `json:"active"`
	Posting wireAuthority `json:"posting"`
	Memo    string        `json:"memo_key"`
	wireState
}

type wireAuthority struct {
	Threshold *uint32             `json:"weight_threshold"`
	Accounts  [][2]jsontext.Value `json:"account_auths"`
	Keys      [][2]jsontext.Value `json:"key_auths"`
}

func readAccounts(raw []byte, prefix string) ([]Account, error) {
	var wire []wireAccount
	if err := unmarshal(raw, &wire); err != nil {
		return nil, errors.New("accounts do not have the expected form")
	}
	accounts := make([]Account, len(wire))
	for i, w := range wire {
		a := &accounts[i]
		a.Name = hive.AccountName(w.Name)
		for _, part := range []struct {
			to   *hive.Authority
			from wireAuthority
		}{{&a.Owner, w.Owner}, {&a.Active, w.Active}, {&a.Posting, w.Posting}} {
			var err error
			if *part.to, err = part.from.read(prefix); err != nil {
				return nil, fmt.Errorf("account %q: %w", clip(w.Name), err)
			}
		}
		var err error
		if a.Memo, err = hive.ParsePublicKeyOrNull(w.Memo, prefix); err != nil {
			return nil, fmt.Errorf("account %q: memo key: %w", clip(w.Name), err)
		}
		a.State = w.wireState.read()
	}
	return accounts, nil
}

func (w wireAuthority) read(prefix string) (hive.Authority, error) {
	if w.Threshold == nil {
		return hive.Authority{}, errors.New("an authority has no threshold")
	}
	a := hive.Authority{WeightThreshold: *w.Threshold}
	for _, pair := range w.Accounts {
		name, weight, err := readWeight(pair)
		if err != nil {
			return a, err
		}
		a.AccountAuths = append(a.AccountAuths, hive.AccountWeight{Account: hive.AccountName(name), Weight: weight})
	}
	for _, pair := range w.Keys {
		text, weight, err := readWeight(pair)
		if err != nil {
			return a, err
		}
		key, err := hive.ParsePublicKeyOrNull(text, prefix)
		if err != nil {
			return a, err
		}
		a.KeyAuths = append(a.KeyAuths, hive.KeyWeight{Key: key, Weight: weight})
	}
	sorts.By(a.AccountAuths, func(x, y hive.AccountWeight) int {
		return strings.Compare(string(x.Account),
			string(y.Account))
	})
	sorts.By(a.KeyAuths, func(x, y hive.KeyWeight) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	return a, nil
}

func readWeight(pair [2]jsontext.Value) (name string, weight uint16, err error) {
	if unmarshal(pair[0], &name) != nil || unmarshal(pair[1], &weight) != nil {
		return "", 0, errors.New("an authority does not have the expected form")
	}
	return name, weight, nil
}
