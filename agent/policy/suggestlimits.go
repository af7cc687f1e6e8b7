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
	"pksa/protocol/sorts"
)

// limits writes, for each app, the most that went out within 24 hours: what was spent, tokens
// within custom_json, and how many operations there were of those that spend nothing. A limit
// cannot tell rules apart, so there is none of what the policy in force allows to the app by now:
// it would deny tomorrow what is allowed today.
func (w *suggester) limits() []string {
	apps := map[string][]Seen{}
	for _, s := range w.all {
		if s.Request.Kind == Sign {
			apps[s.Request.App] = append(apps[s.Request.App], s)
		}
	}
	b := new(strings.Builder)
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		seen := apps[app]
		sorts.Stable(seen, func(a, b Seen) int { return a.Time.Compare(b.Time) })
		spend, others := operationsOf(seen)
		allowed := w.allowedNow(seen)
		if quotas, most := w.mostSpent(seen); len(quotas) > 0 && !w.binds(app, spend, allowed, most...) {
			w.limit(b, app, app+" in 24h", strings.Join(spend, ", "), strings.Join(most, ", "))
			fmt.Fprintf(b, "    spend: [%s]\n", strings.Join(quotas, ", "))
		}
		others = slices.DeleteFunc(others, func(name string) bool {
			return w.binds(app, []string{name}, allowed, mostOf(seen, name).FloatString(0))
		})
		if len(others) > 0 {
			most := mostOf(seen, others...)
			w.limit(b, app, app+" counts in 24h", strings.Join(others, ", "), most.FloatString(0))
			fmt.Fprintf(b, "    count: %s per 24h\n", rounded(w.room.beyond(most, true), 0, true))
		}
		w.sums(b, app, seen, allowed)
	}
	return linesOf(b.String())
}

// mostOf returns how many operations of these names the fullest 24 hours had.
func mostOf(seen []Seen, names ...string) *big.Rat {
	return fullest(seen, func(q *Request) *big.Rat { return new(big.Rat).SetInt64(int64(countOf(q, names))) })
}

// allowedNow returns for the names of operations which rule of the policy in force lets the app
// have such, if there is one.
func (w *suggester) allowedNow(seen []Seen) map[string]*rule {
	allowed := map[string]*rule{}
	if w.inForce == nil {
		return allowed
	}
	for _, s := range seen {
		for _, p := range s.Request.parts() {
			if allowed[p.name] != nil {
				continue
			}
			for _, r := range w.inForce.rules {
				if r.section.permits() && r.kinds[Sign] && r.apps.has(s.Request.App) &&
					slices.ContainsFunc(r.entries, func(e opEntry) bool { return e.names(r.section, p) }) {
					allowed[p.name] = r
					break
				}
			}
		}
	}
	return allowed
}

// binds reports whether a limit of these operations would bind a rule in force, and says so.
func (w *suggester) binds(app string, names []string, allowed map[string]*rule, most ...string) bool {
	for _, name := range names {
		if r := allowed[name]; r != nil {
			w.leave("a limit of %s of %s: it would bind the %s, too; seen without it: %s in 24h",
				strings.Join(names, ", "), app, w.inForce.ruleText(r), strings.Join(most, ", "))
			return true
		}
	}
	return false
}

// limit writes how a limit begins, and what was seen of what it counts.
func (w *suggester) limit(b *strings.Builder, app, name, operations, seen string) {
	w.out.Limits++
	fmt.Fprintf(b, "  - name: %s\n    apps: [%s]\n    operations: [%s]\n", yamlText(w.name(name)), yamlText(app),
		operations)
	if w.room > 0 {
		fmt.Fprintf(b, "    # seen: %s\n", seen)
	}
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

// mostSpent returns for each asset what the fullest 24 hours took, and a quota with room beyond it.
func (w *suggester) mostSpent(seen []Seen) (quotas, took []string) {
	for _, symbol := range []hive.Symbol{hive.HBD, hive.HIVE, hive.VESTS} {
		most := fullest(seen, func(q *Request) *big.Rat { return spentBy(q, symbol) })
		if most.Sign() > 0 {
			// Rounded up before it is written with all its places.
			quota, _ := rounded(w.room.beyond(most, true), symbol.Decimals(), true).rat()
			quotas = append(quotas, fmt.Sprintf("%s %s per 24h", quota.FloatString(symbol.Decimals()), symbol))
			took = append(took, fmt.Sprintf("%s %s", most.FloatString(symbol.Decimals()), symbol))
		}
	}
	return quotas, took
}

// fullest returns the most of something that counts within 24 hours. What was seen stands in the
// order of time.
func fullest(seen []Seen, of func(*Request) *big.Rat) *big.Rat {
	const window = 24 * time.Hour
	leaving := slices.Clone(seen)
	sorts.Stable(leaving, func(a, b Seen) int { return a.counts().Compare(b.counts()) })
	most, sum, oldest := new(big.Rat), new(big.Rat), 0
	for _, s := range seen {
		sum.Add(sum, of(s.Request))
		for ; !leaving[oldest].counts().After(s.Time.Add(-window)); oldest++ {
			sum.Sub(sum, of(leaving[oldest].Request))
		}
		if sum.Cmp(most) > 0 {
			most.Set(sum)
		}
	}
	return most
}

// counts returns the instant as of which it leaves windows.
func (s Seen) counts() time.Time { return later(s.Time, s.Until) }

// sums writes a limit for each token of Hive-Engine of which quantities were seen.
func (w *suggester) sums(b *strings.Builder, app string, seen []Seen, allowed map[string]*rule) {
	quantities := map[*Request]map[string]*big.Rat{}
	var symbols []string
	for _, s := range seen {
		quantities[s.Request] = quantitiesOf(s.Request)
		symbols = append(symbols, slices.Collect(maps.Keys(quantities[s.Request]))...)
	}
	for _, symbol := range distinct(symbols) {
		most := fullest(seen, func(q *Request) *big.Rat { return cmp.Or(quantities[q][symbol], new(big.Rat)) })
		took := rounded(most, hiveEngineDecimals, true).String()
		if w.binds(app, []string{"custom_json"}, allowed, took+" "+symbol) {
			continue
		}
		w.limit(b, app, fmt.Sprintf("%s of %s in 24h", symbol, app), "custom_json: {id: "+hiveEngine+"}", took)
		fmt.Fprintf(b, "    sum: %s per 24h\n    of: {list: json, where: {.contractPayload.symbol: %s}, "+
			"field: .contractPayload.quantity}\n", rounded(w.room.beyond(most, true), hiveEngineDecimals, true),
			quotedText(reference(symbol)))
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
