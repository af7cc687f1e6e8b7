package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// Witnesses returns the signing keys of the witnesses of these accounts by name, each as an
// [Account] that holds nothing else. An account without a witness is absent; that is believed as in
// [Client.Authorities]. Each name is a question of its own.
func (c *Client) Witnesses(ctx context.Context, names ...hive.AccountName) (map[hive.AccountName]Account, error) {
	found := make(map[hive.AccountName]Account, len(names))
	if err := c.gather(ctx, found, names, c.witnesses); err != nil {
		return nil, err
	}
	return found, nil
}

// WitnessViews asks several hosts for what [Client.Witnesses] tells, as [Client.Views] does.
func (c *Client) WitnessViews(ctx context.Context, most int, names ...hive.AccountName) []View {
	return c.views(ctx, most, names, c.witnesses)
}

func (c *Client) witnesses(ctx context.Context, n *endpoint, names []hive.AccountName) ([]Account, error) {
	var accounts []Account
	for _, name := range names {
		params := append(hive.AppendString([]byte("["), string(name)), ']')
		raw, err := c.ask(ctx, n, query{method: "condenser_api.get_witness_by_account", params: params})
		if err != nil {
			return nil, err
		}
		if raw.Kind() == jsontext.KindNull {
			continue // the account has no witness
		}
		a, err := readWitness(raw, name, c.options.Network.KeyPrefix)
		if err != nil {
			return nil, c.malformed(n, err.Error())
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

func readWitness(raw []byte, name hive.AccountName, prefix string) (Account, error) {
	var w struct {
		Owner string `json:"owner"`
		Key   string `json:"signing_key"`
	}
	if unmarshal(raw, &w) != nil || w.Owner != string(name) {
		return Account{}, errors.New("witness does not have the expected form, or is another")
	}
	key, err := hive.ParsePublicKeyOrNull(w.Key, prefix)
	if err != nil {
		return Account{}, fmt.Errorf("witness %q: %w", clip(w.Owner), err)
	}
	return Account{Name: name, Signing: key}, nil
}
