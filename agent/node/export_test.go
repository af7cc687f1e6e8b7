package node

import (
	"context"
	"net/http"
	"net/url"

	"pksa/protocol/hive"
)

// ForTestDialPlain dials an address as nodes without TLS are dialled.
func ForTestDialPlain(ctx context.Context, address string) error {
	c, err := newTransports(nil).loopback.(*http.Transport).DialContext(ctx, "tcp", address)
	if err == nil {
		err = c.Close()
	}
	return err
}

// ForTestJudge returns the verdict on the body of an answer to a broadcast with that request id,
// such as "sent".
func ForTestJudge(body []byte, id uint64) (is, code, reason string) {
	names := map[verdictKind]string{unknown: "unknown", unreached: "unreached", sent: "sent", refused: "refused",
		lagging: "lagging", later: "later"}
	result, err := readAnswer(body, id)
	if err != nil {
		failure := asCallError(err)
		if failure.kind != kindAnswered {
			return names[unknown], "", failure.text
		}
		v := verdictOf(failure.reply)
		return names[v.kind], v.code, v.reason
	}
	if result.Kind() == '{' {
		return names[sent], "", ""
	}
	return names[unknown], "", ""
}

// ForTestReadHead reads global properties.
func ForTestReadHead(raw []byte) (number, irreversible uint32, size int, err error) {
	s, err := readSighting(raw)
	if err != nil {
		return 0, 0, 0, err
	}
	return s.number, s.irreversible, s.maxSize, nil
}

// ForTestReadAccounts reads the result of get_accounts.
func ForTestReadAccounts(raw []byte) ([]Account, error) { return readAccounts(raw, hive.DefaultPrefix) }

// ForTestParseList reads a node list.
func ForTestParseList(text []byte) ([]*url.URL, error) { return parseList(text) }

// ForTestSituation reads an answer as each of the parts of a situation, and returns the accounts
// that it names.
func ForTestSituation(raw []byte, name hive.AccountName) (names []hive.AccountName) {
	if changes, err := readRecoveryChanges(raw, []hive.AccountName{name}); err == nil {
		for _, change := range changes {
			names = append(names, change.To)
		}
	}
	if routes, err := readRoutes(raw, name); err == nil {
		for _, r := range routes {
			names = append(names, r.To)
		}
	}
	if list, err := readSavings(raw, name, hive.Mainnet); err == nil {
		for _, w := range list {
			names = append(names, w.To)
		}
	}
	return names
}
