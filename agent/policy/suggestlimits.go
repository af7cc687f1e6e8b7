package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// limits writes, for each app, the most that went out within 24 hours: what was spent, tokens
// within custom_json, and how many operations there were of those that spend nothing.
func (w *suggester) limits(b *strings.Builder) {
	apps := map[string][]Seen{}
	for _, s := range w.all {
		if s.Request.Kind == Sign {
			apps[s.Request.App] = append(apps[s.Request.App], s)
		}
	}
	if len(apps) == 0 {
		return
	}
	b.WriteString("limits:\n")
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		seen := apps[app]
		slices.SortStableFunc(seen, func(a, b Seen) int { return a.Time.Compare(b.Time) })
		spend, others := operationsOf(seen)
		if quotas := mostSpent(seen); len(quotas) > 0 {
			w.limit(b, app, app+" in 24h", strings.Join(spend, ", "))
			fmt.Fprintf(b, "    spend: [%s]\n", strings.Join(quotas, ", "))
		}
		if len(others) > 0 {
			w.limit(b, app, app+" counts in 24h", strings.Join(others, ", "))
			fmt.Fprintf(b, "    count: %s per 24h\n", fullest(seen, func(q *Request) *big.Rat {
				return new(big.Rat).SetInt64(int64(countOf(q, others)))
			}).FloatString(0))
		}
		w.sums(b, app, seen)
	}
}

// limit writes how a limit begins.
func (w *suggester) limit(b *strings.Builder, app, name, operations string) {
	fmt.Fprintf(b, "  - name: %s\n    apps: [%s]\n    operations: [%s]\n", yamlText(w.name(name)), yamlText(app),
		operations)
}

// operationsOf returns the names of the operations that spent, and of those that never did.
func operationsOf(seen []Seen) (spend, others []string) {
	for _, s := range seen {
		for _, op := range s.Request.Ops {
			if len(op.Spend()) > 0 {
				spend = append(spend, op.Name())
			} else {
				others = append(others, op.Name())
			}
		}
	}
	spend = distinct(spend)
	others = slices.DeleteFunc(distinct(others), func(name string) bool { return slices.Contains(spend, name) })
	return spend, others
}

func countOf(q *Request, names []string) (n int) {
	for _, op := range q.Ops {
		if slices.Contains(names, op.Name()) {
			n++
		}
	}
	return n
}

func spentBy(q *Request, symbol hive.Symbol) *big.Rat {
	sum := new(big.Rat)
	for _, op := range q.Ops {
		for _, a := range op.Spend() {
			if a.Symbol == symbol {
				sum.Add(sum, assetRat(a.Amount, symbol.Decimals()))
			}
		}
	}
	return sum
}

// mostSpent returns, for each asset, what the fullest 24 hours took.
func mostSpent(seen []Seen) (quotas []string) {
	for _, symbol := range []hive.Symbol{hive.HBD, hive.HIVE, hive.VESTS} {
		most := fullest(seen, func(q *Request) *big.Rat { return spentBy(q, symbol) })
		if most.Sign() > 0 {
			quotas = append(quotas, fmt.Sprintf("%s %s per 24h", most.FloatString(symbol.Decimals()), symbol))
		}
	}
	return quotas
}

// fullest returns the most of something within 24 hours. What was seen stands in the order of time.
func fullest(seen []Seen, of func(*Request) *big.Rat) *big.Rat {
	const window = 24 * time.Hour
	most, sum, oldest := new(big.Rat), new(big.Rat), 0
	for _, s := range seen {
		sum.Add(sum, of(s.Request))
		for ; !seen[oldest].Time.After(s.Time.Add(-window)); oldest++ {
			sum.Sub(sum, of(seen[oldest].Request))
		}
		if sum.Cmp(most) > 0 {
			most.Set(sum)
		}
	}
	return most
}

// sums writes a limit for each token of Hive-Engine of which quantities were seen.
func (w *suggester) sums(b *strings.Builder, app string, seen []Seen) {
	quantities := map[*Request]map[string]*big.Rat{}
	var symbols []string
	for _, s := range seen {
		quantities[s.Request] = quantitiesOf(s.Request)
		symbols = append(symbols, slices.Collect(maps.Keys(quantities[s.Request]))...)
	}
	for _, symbol := range distinct(symbols) {
		most := fullest(seen, func(q *Request) *big.Rat { return cmp.Or(quantities[q][symbol], new(big.Rat)) })
		text, _ := parseDecimal(most.FloatString(hiveEngineDecimals))
		w.limit(b, app, fmt.Sprintf("%s of %s in 24h", symbol, app), "custom_json: {id: "+hiveEngine+"}")
		fmt.Fprintf(b, "    sum: %s per 24h\n    of: {list: json, where: {.contractPayload.symbol: %s}, "+
			"field: .contractPayload.quantity}\n", text, quotedText(reference(symbol)))
	}
}

// The id of Hive-Engine's operations, and how many decimals its tokens have at most.
const (
	hiveEngine         = "ssc-mainnet-hive"
	hiveEngineDecimals = 8
)

// quantitiesOf adds up the quantities of each token in a request.
func quantitiesOf(q *Request) map[string]*big.Rat {
	sums := map[string]*big.Rat{}
	for _, p := range q.parts() {
		if p.name != "custom_json" || p.field("id").text != hiveEngine {
			continue
		}
		items, _ := p.field("json").open().list()
		for _, item := range items {
			payload := item.member("contractPayload")
			symbol, quantity := payload.member("symbol"), payload.member("quantity")
			if n, ok := textAmounts([]value{quantity}); ok && symbol.kind == isText {
				r, _ := n[0].number.rat()
				sums[symbol.text] = new(big.Rat).Add(cmp.Or(sums[symbol.text], new(big.Rat)), r)
			}
		}
	}
	return sums
}
