package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

const (
	pageEntries = 500
	maxPages    = 200      // of one account; older entries are not read
	pageSize    = 16 << 20 // bytes of a page
	maxJSON     = 8 << 10  // bytes of a custom_json: the chain takes no longer one
	// maxPublished is how many bytes are kept of one history, with entryBytes for each entry: a
	// node could fill the memory with what nobody published. Older entries are not read.
	maxPublished = 16 << 20
	entryBytes   = 128
)

// Published is a custom_json of an account that is in a block.
type Published struct {
	TxID  hive.TxID
	Block uint32
	JSON  string // as it was signed
}

// CustomJSON returns what the account published under the id with its posting key, the oldest
// first, by the account histories of two nodes, or of one if no other answers. It returns what
// either of them has: a node would lie by leaving something out. It reads at most 100,000 entries
// of each history, and keeps 16 MiB of them, the newest. The error holds [ErrNoNode].
func (c *Client) CustomJSON(ctx context.Context, account hive.AccountName, id string) ([]Published, error) {
	var all []Published
	known := map[Published]bool{} // both nodes have nearly all: a list would be read whole for each
	reason := ErrNoNode
	answers := 0
	for _, n := range c.candidates() {
		list, err := c.customJSON(ctx, n, account, id)
		if err != nil {
			reason = fmt.Errorf("%w: %s: %w", ErrNoNode, n.host, err)
			if ctx.Err() != nil {
				return nil, reason
			}
			continue
		}
		for _, p := range list {
			if !known[p] {
				known[p] = true
				all = append(all, p)
			}
		}
		if answers++; answers == 2 {
			break
		}
	}
	if answers == 0 {
		return nil, reason
	}
	sorts.Stable(all, func(a, b Published) int { return cmp.Compare(a.Block, b.Block) })
	return all, nil
}

// customJSON reads the account's history at one node, from the newest entry back.
func (c *Client) customJSON(ctx context.Context, n *endpoint, account hive.AccountName, id string) ([]Published,
	error) {
	var all []Published
	size := 0
	start := int64(-1) // the newest
	for range maxPages {
		page, err := c.historyPage(ctx, n, account, start)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, entry := range slices.Backward(page) { // the newest stands last
			p, ok := readPublished(entry.text, account, id)
			if !ok {
				continue
			}
			if size += entryBytes + len(p.JSON); size > maxPublished {
				return all, nil
			}
			all = append(all, p)
		}
		lowest := slices.MinFunc(page, func(a, b historyEntry) int { return cmp.Compare(a.number, b.number) })
		if start = lowest.number - 1; start < 0 {
			break
		}
	}
	return all, nil
}

// historyEntry is one entry of an account history.
type historyEntry struct {
	number int64
	text   jsontext.Value
}

// historyPage returns the custom_json of the account from entry start down; -1 means the newest.
func (c *Client) historyPage(ctx context.Context, n *endpoint, account hive.AccountName, start int64) ([]historyEntry,
	error) {
	limit := int64(pageEntries)
	if start >= 0 {
		limit = min(limit, start+1) // nodes refuse to be asked for what lies before the first
	}
	// The filter is a set of operation numbers; 18 is custom_json.
	params := fmt.Appendf(nil, `[%q,%d,%d,%d,0]`, string(account), start, limit, 1<<18)
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_account_history", params: params, limit: pageSize})
	if err != nil {
		return nil, err
	}
	var page [][2]jsontext.Value
	if unmarshal(raw, &page) != nil || len(page) > pageEntries+1 { // some count the first one extra
		return nil, c.malformed(n, "account history does not have the expected form")
	}
	entries := make([]historyEntry, len(page))
	for i, item := range page {
		var number int64
		// A number above start was asked for before: a node could repeat pages for ever with it.
		if unmarshal(item[0], &number) != nil || number < 0 || start >= 0 && number > start {
			return nil, c.malformed(n, "account history does not have the expected form")
		}
		entries[i] = historyEntry{number, item[1]}
	}
	return entries, nil
}

// readPublished reads an entry of the history. It reports false for any other entry than a
// custom_json of the account under the id.
func readPublished(raw jsontext.Value, account hive.AccountName, id string) (Published, bool) {
	var entry struct {
		TxID  string            `json:"trx_id"`
		Block uint32            `json:"block"`
		Op    [2]jsontext.Value `json:"op"`
	}
	var op struct {
		Posting []string `json:"required_posting_auths"`
		ID      string   `json:"id"`
		JSON    string   `json:"json"`
	}
	var name string
	if unmarshal(raw, &entry) != nil || unmarshal(entry.Op[0], &name) != nil || name != "custom_json" ||
		unmarshal(entry.Op[1], &op) != nil {
		return Published{}, false
	}
	tx, err := hive.ParseTxID(entry.TxID)
	if err != nil || len(op.JSON) > maxJSON || op.ID != id || !slices.Contains(op.Posting, string(account)) {
		return Published{}, false
	}
	return Published{tx, entry.Block, op.JSON}, true
}
