package node

import (
	"context"
	"slices"

	"pksa/protocol/hive"
)

// View is what one host says of accounts. A name that it does not know is absent.
type View struct {
	Host     string
	Accounts map[hive.AccountName]Account
}

// Views asks nodes on different hosts for the authorities of accounts, and returns what each of
// them says, from at most that many hosts. It returns fewer if others do not answer, and none if
// nobody does. It is for answers of [Client.Authorities] that matter too much to believe one host.
func (c *Client) Views(ctx context.Context, most int, names ...hive.AccountName) []View {
	return c.views(ctx, most, names, c.accounts)
}

func (c *Client) views(ctx context.Context, most int, names []hive.AccountName, ask fetch) []View {
	var views []View
	var voices []string // of those in views
	for _, n := range c.candidates() {
		if len(views) == most || ctx.Err() != nil {
			break
		}
		if slices.Contains(voices, n.voice) {
			continue
		}
		if v, err := view(ctx, n, names, ask); err == nil {
			views, voices = append(views, v), append(voices, n.voice)
		}
	}
	return views
}

func view(ctx context.Context, n *endpoint, names []hive.AccountName, ask fetch) (View, error) {
	v := View{Host: n.host, Accounts: make(map[hive.AccountName]Account, len(names))}
	for batch := range slices.Chunk(names, accountsAtOnce) {
		accounts, err := ask(ctx, n, batch)
		if err != nil {
			return View{}, err
		}
		for _, a := range accounts {
			v.Accounts[a.Name] = a
		}
	}
	return v, nil
}

// Hosts returns how many hosts of our chain can be asked, as far as that is known: two nodes behind
// one host are one opinion.
func (c *Client) Hosts() int { return c.hosts() }

// Blame remembers against the nodes of a host that it said what other hosts showed to be untrue.
// They are asked after all others for a while.
func (c *Client) Blame(host, what string) { c.blame(host, what) }
