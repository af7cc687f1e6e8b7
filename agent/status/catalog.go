package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pksa/agent/outage"
	"pksa/protocol/sorts"
)

// Kind is what a metric does: it counts up, goes up and down, or sorts by size.
type Kind string

// The kinds, by the words of Prometheus.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one exported metric. Every one is made by define: what is not in the catalog cannot be
// exported.
type Metric struct {
	Name   string
	Kind   Kind
	Help   string
	Labels []string
	Bound  string // how many series there are at most; empty: one
}

var catalog []*Metric

// bounds of the series of a metric, by what its labels name.
const (
	boundRelays = "relays of the settings, and those that `pksa pair` added"
	boundNodes  = "nodes of the settings, and at most 8 of the node list"
	boundCauses = "the causes below"
	boundLimits = "limits of the policy, with their units and windows"
	boundKinds  = "auth, sign, challenge, decrypt"
)

func define(m Metric) *Metric {
	catalog = append(catalog, &m)
	return &m
}

func gaugeOf(name, help string) *Metric { return define(Metric{Name: name, Kind: Gauge, Help: help}) }

func of(kind Kind, bound string, labels ...string) func(name, help string) *Metric {
	return func(name, help string) *Metric {
		return define(Metric{Name: name, Kind: kind, Help: help, Labels: labels, Bound: bound})
	}
}

var (
	perRelay      = of(Gauge, boundRelays, "relay")
	perRelayCount = of(Counter, boundRelays, "relay")
	perNode       = of(Gauge, boundNodes, "node")
	perNodeCount  = of(Counter, boundNodes, "node")
	perLimit      = of(Gauge, boundLimits, "limit", "unit", "window")
)

// The wallet as a whole.
var (
	metricReady    = gaugeOf("pksa_ready", "1 when nothing hinders the wallet from signing.")
	metricNotReady = of(Gauge, boundCauses, "cause")("pksa_not_ready",
		"1 for each cause for which no transaction is signed now, 0 for the other causes.")
	metricTwin = gaugeOf("pksa_twin",
		"1 when another copy of this wallet was met in the last 24 hours.")
	metricBuild = of(Gauge, "1", "version", "go")("pksa_build_info",
		"The program that runs, by its version and that of Go.")
	metricStart      = gaugeOf("pksa_start_time_seconds", "When the process started, in seconds since 1970.")
	metricGoroutines = gaugeOf("pksa_goroutines", "Goroutines of the process.")
	metricMemory     = gaugeOf("pksa_memory_bytes",
		"Memory that the process holds by its own count, without files that are mapped.")
	// Named as every program has them that Prometheus asks.
	metricResident = gaugeOf("process_resident_memory_bytes",
		"Memory of the process by the kernel's count, with the files that are mapped. On Linux.")
	metricOpenFiles = gaugeOf("process_open_fds",
		"Files and sockets that the process has open. On Linux.")
	metricMaxFiles = gaugeOf("process_max_fds",
		"How many files and sockets the process may have open. On Linux.")
	metricAccountChanges = of(Counter, "10: what can change", "what")("pksa_account_changes_total",
		"Changes of held accounts on the chain that no transaction of this wallet explains, by what was changed.")
	metricAccountsChanged = gaugeOf("pksa_accounts_changed",
		"Held accounts that somebody else changed and no person has accepted.")
	metricAccountsStopped = gaugeOf("pksa_accounts_stopped",
		"Of these, those of which nothing is signed (setting guard).")
	metricAccountsDoubtful = gaugeOf("pksa_accounts_doubtful",
		"Held accounts of which a change waits for a second node that says the same, for 15 minutes or more.")
	metricPolicy = of(Gauge, "1: the policy in force", "sha256")("pksa_policy_info",
		"The policy in force, by the SHA-256 of its file.")
	metricPolicyTests = gaugeOf("pksa_policy_tests_failed",
		"1 while the tests beside the policy in force fail: a start took it, or `--force`.")
	metricReloads = of(Counter, "ok, failed", "result")("pksa_policy_reloads_total",
		"Policy reloads by result (ok, failed). After a failed one the old policy stays in force.")
	metricSettings = of(Counter, "ok, failed", "result")("pksa_settings_reloads_total",
		"Reloads of settings and policy by `pksa reload` or SIGHUP, by result (ok, failed). After a failed one the "+
			"old settings stay in force.")
	metricAlarms = of(Counter, "the alarms below", "alarm")("pksa_alarms_total",
		"Events that should never happen and that a person should look at, by name.")
	metricNotifications = of(Counter, "ntfy, webhook; sent, failed, dropped", "notifier", "outcome")(
		"pksa_notifications_total", "Messages to people (setting notify) by kind of notifier: sent, or failed after "+
			"all attempts; and events that were dropped because too many waited.")
	metricBacklog = gaugeOf("pksa_audit_backlog",
		"1 while full segments of the audit trail cannot be moved out of the ledger.")
	metricAuditBytes = gaugeOf("pksa_audit_bytes",
		"Bytes of the full segments of the audit trail; audit.max is their bound.")
	metricPages = of(Counter, "relay, status", "listener")("pksa_pages_refused_total",
		"Requests of web pages that were refused by their host or origin, by listener (relay, status).")
)

// Requests.
var (
	metricRequests = of(Counter, "kinds, results and codes of the program", "kind", "result", "code")(
		"pksa_requests_total",
		"Requests that were opened, by kind (auth, sign, challenge, decrypt), result and reason code.")
	metricSeconds = of(Histogram, boundKinds, "kind")("pksa_request_seconds",
		"Time from the arrival of a request to its answer.")
	metricDropped = of(Counter, "the reasons below", "reason")("pksa_requests_dropped_total",
		"Requests that got no answer, by reason.")
	metricPending    = gaugeOf("pksa_pending", "Requests that wait for a person.")
	metricQuarantine = gaugeOf("pksa_quarantine",
		"Sessions, and logins of apps, that are silent on a relay because of damaged requests or replays.")
)

// Accounts, keys, apps, sessions, limits.
var (
	metricAccounts  = gaugeOf("pksa_accounts", "Accounts of which keys are held.")
	metricKeys      = gaugeOf("pksa_keys", "Held keys.")
	metricKeysWrong = gaugeOf("pksa_keys_wrong", "Held keys that do not fit their accounts on the chain.")
	metricWrongKey  = of(Gauge, fmt.Sprintf("%d keys", MostKeys), "account", "role")("pksa_key_wrong",
		"1 for a held key that does not fit its account on the chain, 0 for the other held keys, as far as there is "+
			"room: keys that do not fit come first, and pksa_keys_wrong counts all of them.")
	metricApps     = gaugeOf("pksa_apps", "Apps.")
	metricDisabled = gaugeOf("pksa_apps_disabled",
		"Apps whose secret is another one's, too: it opens the other one only.")
	metricSessions = gaugeOf("pksa_sessions", "Live sessions.")
	metricFullest  = gaugeOf("pksa_sessions_fullest_account",
		"Live sessions of the account with most of them, as a part (0 to 1) of limits.sessions_per_account.")
	metricNearlyFull = gaugeOf("pksa_accounts_nearly_full",
		"Accounts that have 80 % or more of the sessions that they may have.")
	metricLimitUsed = perLimit("pksa_limit_used", "What the fullest counter of a limit has taken in its window.")
	metricLimitMost = perLimit("pksa_limit_most", "What a counter of the limit may take in its window.")
)

// Relays.
var (
	metricConnected = perRelay("pksa_link_connected", "1 when the relay has told us its key.")
	metricCanary    = perRelay("pksa_canary_failed",
		"1 if the relay delivers nothing, or passes no answers on: the last two requests that the wallet sent "+
			"itself failed.")
	metricCanaryTrip = perRelay("pksa_canary_seconds",
		"Time in which the last request that the wallet sent itself came back through the relay; 0 if it did not.")
	metricRegistered = perRelay("pksa_link_accounts_registered", "Accounts that the relay acknowledged.")
	metricRefused    = perRelay("pksa_link_accounts_refused", "Accounts that the relay does not take.")
	metricReconnects = perRelayCount("pksa_link_reconnects_total", "Connections after the first.")
	metricKeyChanges = perRelayCount("pksa_link_key_changes_total", "How often the relay came back with another key.")
	metricFrames     = perRelayCount("pksa_link_frames_total", "Frames received.")
	metricLosses     = of(Counter, boundRelays+", and the reasons of failures below", "relay", "reason")(
		"pksa_link_losses_total", "Connections that ended, or were not made, by reason.")
	metricDrops = of(Counter, boundRelays+", and the reasons below", "relay", "reason")(
		"pksa_link_frames_dropped_total", "Frames not served, by reason.")
)

// The wallet's own relay.
var (
	perPace       = of(Counter, "connection, address, strangers, known", "pace")
	metricOwnLate = perPace("pksa_own_relay_late_total", "How often the wallet's own relay read a frame later, by "+
		"the pace that its sender was ahead of: of its connection, its address, all strangers, or all that this "+
		"wallet has answered.")
	metricOwnLateSeconds = perPace("pksa_own_relay_late_seconds_total",
		"Seconds by which frames at the own relay were read later, all waits added up, by pace.")
)

// The chain and its nodes.
var (
	metricClock = gaugeOf("pksa_clock_ahead_seconds",
		"How far the clock of this machine is ahead of the chain's; negative: behind. A few seconds are no "+
			"difference: the chain makes a block each three. There is none before a node told the chain's time.")
	metricHeadAge = gaugeOf("pksa_head_age_seconds",
		"How long ago the head of the chain was read that transactions are built on; one of 30 s is too old. There "+
			"is none before a node told one.")
	metricNode = perNode("pksa_node_usable", "1 when the node serves our chain, does not rest after failures, "+
		"and its head is not away from that of others.")
	metricNodeHead     = perNode("pksa_node_head_block", "The head block that the node told last; 0: none yet.")
	metricNodeFailures = perNode("pksa_node_failures", "Failures of the node in a row.")
	metricNodeCalls    = perNodeCount("pksa_node_calls_total", "Calls of the node.")
	metricNodeErrors   = of(Counter, boundNodes+", and the reasons of failures below", "node", "reason")(
		"pksa_node_errors_total", "Calls of the node that failed, by reason.")
	metricNodeUntrue = perNodeCount("pksa_node_untrue_total",
		"How often the node said what others, or the chain, showed to be untrue.")
)

// MostKeys is how many keys are metrics of their own.
const MostKeys = 200

// Catalog returns all metrics that can be exported, by name.
func Catalog() []Metric {
	list := make([]Metric, len(catalog))
	for i, m := range catalog {
		list[i] = *m
	}
	sorts.By(list, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Words are the values of labels that come from closed lists, for the page about metrics.
type Words struct {
	Drops, LinkDrops, Alarms []string
}

// Page returns the page about metrics, in Markdown.
func Page(w Words) string {
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString("| metric | kind | labels | series at most | what it says |\n|---|---|---|---|---|\n")
	for _, m := range Catalog() {
		bound := cmp.Or(m.Bound, "1")
		labels := "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, labels, bound, m.Help)
	}
	b.WriteString("\n## Causes of not ready\n\n`pksa_not_ready`, `/readyz`, and `hindrances` in `pksa status --json` " +
		"name them by the same words.\n\n| cause | what it means | still served |\n|---|---|---|\n")
	for _, c := range Causes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c, causeTexts[c].means, causeTexts[c].serves)
	}
	list := func(title, intro string, words []string) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title, intro)
		for _, word := range slices.Sorted(slices.Values(words)) {
			fmt.Fprintf(&b, "- `%s`\n", word)
		}
	}
	list("Reasons of dropped requests", "The label `reason` of `pksa_requests_dropped_total`. The hourly sums of the "+
		"audit trail (`requests dropped`) have the same words.", w.Drops)
	list("Reasons of dropped frames", "The label `reason` of `pksa_link_frames_dropped_total`, and of the same sums.",
		w.LinkDrops)
	b.WriteString("\n## Reasons of failures\n\nThe label `reason` of `pksa_node_errors_total` and " +
		"`pksa_link_losses_total`. The log has the same words as `reason` of `node fails` and `relay lost`, and " +
		"`pksa status --json` as `last_reason` of nodes and links.\n\n| reason | what it means |\n|---|---|\n")
	for _, r := range outage.Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r, r.Means())
	}
	list("Alarms", "The label `alarm` of `pksa_alarms_total`. The log has the same words after `alarm: `, and the "+
		"audit trail as the reason of an `alarm`.", w.Alarms)
	return b.String()
}

const pageHead = `# Metrics

What a wallet exports at ` + "`/metrics`" + ` of the address in the setting ` + "`status.listen`" + `.
This page is made from the source: a test compares them, and
` + "`go test ./agent -run TestMetricsPage -update-metrics`" + ` writes it. Alert rules and a dashboard
stand in [monitoring](../monitoring/README.md); what to do about each is in [operating](operating.md).

Labels hold addresses of relays and nodes, names of limits, accounts and roles, and words of closed lists.
They never hold text of a request. No label is made of accounts times apps: which app or session it was
stands in log and audit trail.

`

var causeTexts = map[Cause]struct{ means, serves string }{
	CauseDisk: {"the disk has no room for what the ledger records", "nothing"},
	CauseLedger: {"the ledger records nothing, or lost what it needs to make transactions",
		"what `pksa status` says"},
	CauseClock: {"the time is not known well enough, or is away from the chain's", "what `pksa status` says"},
	CauseKeys: {"no key is held, or none that fits its account on the chain, or the guard has stopped each account",
		"nothing, or what `pksa status` says"},
	CauseNode:     {"no Hive API node answers, or none tells a head to build on", "logins and challenges"},
	CauseRelay:    {"no account is registered at any relay, or no relay delivers", "nothing"},
	CauseTwin:     {"another copy of this wallet serves, or is looked for", "nothing"},
	CauseStarting: {"what an earlier process left is taken up first", "nothing yet"},
	CausePaused: {"the operator paused the wallet (`pksa pause`)",
		"nothing: each request is told to come again later"},
	CauseLocked:   {"the keys were wiped (`pksa lock`), until `pksa unlock`", "nothing"},
	CauseStopping: {"the wallet stops", "what was admitted is finished"},
	CauseStandby:  {"another wallet leads the ledger, which is in a database", "nothing, until that one has ended"},
}
