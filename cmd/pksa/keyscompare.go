package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"pksa/agent/config"
	"pksa/agent/node"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// goneError means that the chain has no accounts of these names.
type goneError struct{ accounts []string }

func (e *goneError) Error() string {
	if len(e.accounts) == 1 {
		return "the chain has no account " + e.accounts[0]
	}
	return "the chain has none of the accounts " + strings.Join(e.accounts, ", ")
}

// checkBatch compares the keys with the chain. That a key does not fit is believed when two hosts
// say so, if there are several: one that lies must not keep a right key out.
func (c *command) checkBatch(ctx context.Context, cfg *config.Config, batch *keystore.Batch) error {
	// What went wrong is in the error that the person reads; the log would say it seven times
	// before.
	nodes, err := service.Nodes(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	shown := c.progress("comparing", "account")
	defer shown.clear()
	return compareBatch(ctx, nodes, batch, shown.at)
}

// comparedAtOnce is how many accounts are asked for between two words about how far it is.
const comparedAtOnce = 500

func compareBatch(ctx context.Context, nodes *node.Client, batch *keystore.Batch, tell func(done, all uint64)) error {
	names := batch.Accounts()
	known, err := authorities(ctx, nodes, names, tell)
	if err != nil {
		about := fmt.Sprint(names[0])
		if len(names) > 1 {
			about = fmt.Sprintf("%d accounts", len(names))
		}
		return hint(fmt.Errorf("asking the chain about %s: %w", about, err), adviceNodes)
	}
	// All of them in one run: a person who takes over many would learn of one after the other.
	var gone []string
	for _, name := range names {
		if _, ok := known[name]; !ok {
			gone = append(gone, string(name))
		}
	}
	if len(gone) > 0 {
		return hint(&goneError{gone}, adviceNoAccount)
	}
	if batch.Has(hive.Signing) {
		if err := addSigningKeys(ctx, nodes, known); err != nil {
			return err
		}
	}
	err = batch.Check(ctx, func(_ context.Context, account hive.AccountName, public hive.PublicKey) ([]hive.Role,
		error) {
		on := known[account]
		return on.Roles(public), nil
	})
	if nodes.Hosts() < 2 || !errors.Is(err, keystore.ErrWrongRole) && !errors.Is(err, keystore.ErrOwnerKey) {
		return err
	}
	return checkByTwo(ctx, nodes, slices.Sorted(maps.Keys(known)), batch, err)
}

// addSigningKeys adds the signing keys of witnesses to what the chain says of the accounts. One
// without a witness has none.
func addSigningKeys(ctx context.Context, nodes *node.Client, known map[hive.AccountName]node.Account) error {
	found, err := nodes.Witnesses(ctx, slices.Sorted(maps.Keys(known))...)
	if err != nil {
		return hint(fmt.Errorf("asking the chain about witnesses: %w", err), adviceNodes)
	}
	for name, on := range known {
		on.Signing = found[name].Signing
		known[name] = on
	}
	return nil
}

// secondHosts is how many hosts are asked about keys that do not fit by the word of the first: two
// that agree outvote one that lies.
const secondHosts = 3

// checkByTwo compares the keys by the words of several hosts: a key has a role if two say so. first
// is what one host said; it stands, with a remark, where no other answers.
func checkByTwo(ctx context.Context, nodes *node.Client, names []hive.AccountName, batch *keystore.Batch,
	first error) error {
	const alone = "%w; one Hive API node says so, and no other confirms it"
	views := nodes.Views(ctx, secondHosts, names...)
	hosts := len(views)
	if hosts < 2 {
		return fmt.Errorf(alone, first)
	}
	if batch.Has(hive.Signing) {
		views = append(views, nodes.WitnessViews(ctx, secondHosts, names...)...)
	}
	doubtful := false // a host says that a key fits, and no other one confirms that either
	err := batch.Check(ctx, func(_ context.Context, account hive.AccountName, public hive.PublicKey) ([]hive.Role,
		error) {
		said := map[hive.Role]int{}
		for _, v := range views {
			on := v.Accounts[account] // an account that the host does not know has no keys
			for _, role := range on.Roles(public) {
				said[role]++
			}
		}
		var roles []hive.Role
		for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active, hive.Owner, hive.Signing} {
			if said[role] >= 2 {
				roles = append(roles, role)
			}
			doubtful = doubtful || said[role] == 1 && hosts == 2
		}
		return roles, nil
	})
	if err != nil && doubtful {
		return fmt.Errorf(alone, err)
	}
	return err
}

// authorities asks the chain about accounts, many at a time.
func authorities(ctx context.Context, nodes *node.Client, names []hive.AccountName,
	tell func(done, all uint64)) (map[hive.AccountName]node.Account, error) {
	known := make(map[hive.AccountName]node.Account, len(names))
	done := 0
	for some := range slices.Chunk(names, comparedAtOnce) {
		found, err := nodes.Authorities(ctx, some...)
		if err != nil {
			return nil, err
		}
		maps.Copy(known, found)
		done += len(some)
		tell(uint64(done), uint64(len(names)))
	}
	return known, nil
}
