package examples_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/control"
)

// boundsInCode says which names of the program hold the numbers of the table of bounds: the words
// with which a row begins, what it says, the folder, the name. A name is that of a constant or a
// variable, of an option that `fill(&o.NAME, value)` sets, or of a member that one literal of the
// package sets; after a dot comes a member of that value.
var boundsInCode = []struct {
	row, says, folder, name string
	want                    int64
}{
	{"a frame of a relay", "| 1 MiB |", "protocol", "MaxFrame", 1 << 20},
	{"names in one object of a frame", "| 256; 32 |", "protocol", "MaxNames", 256},
	{"names in one object of a frame", "| 256; 32 |", "protocol", "MaxDepth", 32},
	{"frames that are read, pings and parts of messages too |",
		"500 a second", "agent/config", "RequestsPerSecond", 500},
	{"frames that are read, pings and parts of messages too |", "16 KiB count", "agent/link", "weightUnit", 16 << 10},
	{"requests that a key opens |", "50 a second", "agent/config", "AccountRequestsPerSecond", 50},
	{"an app's share of that", "64 apps have one each", "agent/link", "mostShares", 64},
	{"keys that are tried", "the 64 apps and the 64 sessions", "agent", "alwaysTried", 64},
	{"keys that are tried", "190,000 keys a second", "agent/link", "Tries.PerSecond", 190_000},
	{"keys that are tried", "twice as many at once", "agent/link", "Tries.Burst", 2 * 190_000},
	{"requests in flight", "2,048; 1,024", "agent/link", "InFlight", 2048},
	{"requests in flight", "2,048; 1,024", "agent/link", "AccountInFlight", 1024},
	{"requests in flight", "6 MiB of frames in all", "agent/link", "maxBytesTogether", 6 << 20},
	{"requests in flight", "; 4 MiB; 2 MiB", "agent/link", "maxBytesHeld", 4 << 20},
	{"requests in flight", "; 4 MiB; 2 MiB", "agent/link", "maxBytesHeldAccount", 2 << 20},
	{"requests in flight", "above 16 KiB", "agent/link", "largeFrame", 16 << 10},
	{"requests of an account that are worked on", "| 128,", "agent/link", "leastAtWork", 128},
	{"requests of an account that are worked on", "| 1 MiB of frames", "agent/link", "maxBytesAtWork", 1 << 20},
	{"requests above the rate", "| 32 |", "agent/link", "BusyInFlight", 32},
	{"answers that an error of the relay", "| 64 |", "agent/link", "maxSent", 64},
	{"log lines about a relay's faults", "1 a second", "agent/link", "noisePerSec", 1},
	{"log lines about a relay's faults", "20 at once", "agent/link", "noiseAtOnce", 20},
	{"log lines about requests without an answer", "1 a minute", "agent/trace", "again", int64(time.Minute)},
	{"places of the last hour's trouble", "1,000", "agent/trace", "maxPlaces", 1000},
	{"answers to probes", "5 at once", "agent/probe", "answers", 5},
	{"answers to probes", "one probe in 2 s", "agent/probe", "spacing", int64(2 * time.Second)},
	{"relays that links of applications name", "| 8 |", "agent", "maxAddedRelays", 8},
	{"requests that wait for a person", "| 20 |", "agent", "maxWaiting", 20},
	{"questions to sign with a passkey", "| 64 logins", "agent/approve", "mostLogins", 64},
	{"questions to sign with a passkey", "8 for one enrolment", "agent/approve", "mostEnrols", 8},
	{"questions to sign with a passkey", "16 for one request", "agent/approve", "mostYes", 16},
	{"questions to sign with a passkey", "2 minutes", "agent/approve", "patience", int64(2 * time.Minute)},
	{"refused answers with a passkey", "60 an hour", "agent/approve", "mostRefusals", 60},
	{"approvers, and links", "| 16 each", "agent/ledger", "MostApprovers", 16},
	{"approvers, and links", "16 KiB", "agent/ledger", "maxApproverNote", 16 << 10},
	{"what a browser hands over", "4 KiB of client data", "agent/passkey", "MostClientData", 4 << 10},
	{"what a browser hands over", "8 KiB of a new", "agent/passkey", "MostAttestation", 8 << 10},
	{"what a browser hands over", "2 KiB of auth", "agent/passkey", "MostAuthenticatorData", 2 << 10},
	{"events that wait for a notifier", "| 64 |", "agent/notify", "MostEvents", 64},
	{"events that wait for a notifier", "| 64 KiB;", "agent/notify", "MostBytes", 64 << 10},
	{"events that wait for a notifier", "400 of each detail", "agent/notify", "maxDetail", 400},
	{"events that wait for a notifier", "12 of them", "agent/notify", "maxDetails", 12},
	{"events that wait for a notifier", "3,500 of a message", "agent/notify", "maxText", 3500},
	{"messages of a notifier", "10 at once", "agent/notify", "burst", 10},
	{"messages of a notifier", "one in 30 s", "agent/notify", "refill", int64(30 * time.Second)},
	{"an answer of `pksa pending`", "10 operations", "agent", "listedParts", 10},
	{"an answer of `pksa pending`", "1 KiB of each text", "agent", "listedText", 1 << 10},
	{"an answer of `pksa pending`", "; 1 MiB |", "agent", "pageBytes", 1 << 20},
	{"logins that nothing opened", "| 100,", "agent", "heldPerAccount", 100},
	{"logins that nothing opened", "16 MiB of all", "agent", "heldBytes", 16 << 20},
	{"logins that expired", "1,024", "agent", "lapsedRequests", 1024},
	{"requests that a key opened, until", "16 of each app's own", "agent", "ownPlaces.Requests", 16},
	{"requests that a key opened, until", "1,024 that all share", "agent", "sharedPlaces.Requests", 1024},
	{"requests that a key opened, until", "2 MiB of each app's own", "agent", "ownPlaces.Bytes", 2 << 20},
	{"requests that a key opened, until", "2 MiB that all share", "agent", "sharedPlaces.Bytes", 2 << 20},
	{"large requests that are worked on", "from 32 KiB on", "agent", "largeClear", 32 << 10},
	{"requests before one in the queue", "has 64 of an app", "agent/ledger", "aloneOps", 64},
	{"requests before one in the queue", "else 8 in all", "agent/ledger", "togetherOps", 8},
	{"patterns with `$account`", "| 16 names", "agent/policy", "mostOthers", 16},
	{"patterns with `$account`", "4 MiB of those", "agent/policy", "mostFilled", 4 << 20},
	{"what the console has", "2,000 newest", "agent/audit", "draftRequests", 2000},
	{"what the console has", "4 MiB of requests", "agent/audit", "draftBytes", 4 << 20},
	{"what the console has", "8 MiB of what", "agent/audit", "bookBytes", 8 << 20},
	{"rules that did not match", "| 10,000 |", "agent/policy", "MostOthers", 10_000},
	{"transactions of an app's own making", "| 1,000,", "agent", "mostExact", 1000},
	{"transactions of an app's own making", "16 times again", "agent", "mostAgain", 16},
	{"transactions of an app's own making", "1 MiB of their charges", "agent", "mostExactBytes", 1 << 20},
	{"signatures of others", "| 64 |", "protocol", "MaxSignatures", 64},
	{"authorities that an answer", "| 64 |", "protocol", "MaxMissing", 64},
	{"accounts that are looked up", "| 125 |", "protocol/hive", "QuorumAccounts", 125},
	{"operations of a request", "| 200 (", "agent/config", "Operations", 200},
	{"sessions of one app", "| 32 (", "agent/config", "SessionsPerApp", 32},
	{"sessions |", "| 1,000 (", "agent/config", "SessionsPerAccount", 1000},
	{"the name that an application gives itself", "64 characters", "agent/ledger", "maxClaim", 64},
	{"judged requests that a session remembers", "| 64 |", "agent/ledger", "maxJudged", 64},
	{"tries of ended sessions' keys", "| 1,024,", "agent", "remnantTries", 1024},
	{"tries of ended sessions' keys", "256 more a second", "agent", "remnantTriesSecond", 256},
	{"commits in the journal", "4 MiB in the file", "agent/ledger", "journalSize", 4 << 20},
	{"counters of one limit in use", "| 10,000;", "agent/policy", "MostCounters", 10_000},
	{"counters of one limit in use", "1,000 opened by one request", "agent/policy", "MostOpened", 1000},
	{"counters of one limit in use", "at most 256 for each", "agent/policy", "longestDim", 256},
	{"counters that status", "the 20 fullest", "agent/policy", "MostShown", 20},
	{"counters out of use", "| 10,000 |", "agent/policy", "MostCounters", 10_000},
	{"what limits remember", "a thousandth", "agent/policy", "perWindow", 1000},
	{"what limits remember", "an eighth", "agent/policy", "perAge", 8},
	{"sums of the past", "| 500,000;", "agent/policy", "MostSums", 500_000},
	{"sums of the past", "counts as 12", "agent/policy", "largeSum", 12},
	{"charges that a start reads", "24 KiB a sum", "agent", "sumBytes", 24 << 10},
	{"records that a start reads", "and 256 |", "agent", "fewRecords", 256},
	{"broadcasts whose outcome", "themselves 512,", "agent", "mostUncertainExact", 512},
	{"broadcasts whose outcome", "2,048 of all apps", "agent", "exactApps", 4},
	{"broadcasts whose outcome", "2 MiB, and 8 MiB", "agent", "mostUncertainExactBytes", 2 << 20},
	{"ids of transactions that may", "; 10,000 |", "agent", "mostRecentExact", 10_000},
	{"broadcasts whose outcome", "| 4,096;", "agent", "mostUncertain", 4096},
	{"broadcasts whose outcome", "| 16 MiB;", "agent", "mostUncertainBytes", 16 << 20},
	{"ids of transactions that may", "| 100,000;", "agent", "mostRecent", 100_000},
	{"replays of one session", "| 100 in 10 minutes", "agent", "replayLimit", 100},
	{"replays of one session", "3 effects", "agent", "replayEffects", 3},
	{"damaged requests", "| 5 in 10 minutes", "agent", "damageLimit", 5},
	{"damaged requests", "20 a day", "agent", "damageADay", 20},
	{"damaged requests", "in 10 minutes", "agent", "faultWindow", int64(10 * time.Minute)},
	{"what a record keeps of a request", "| 100 effects", "agent", "maxEffects", 100},
	{"what a record keeps of a request", "of a replay 3", "agent", "replayEffects", 3},
	{"what a record keeps of a request", "| 8 KiB |", "agent/audit", "MaxContent", 8 << 10},
	{"what a record keeps beside that", "| 4 MiB each", "agent/audit", "MaxWhole", 4 << 20},
	{"records of denied requests", "| 60 a minute", "agent", "denialsOneByOne", 60},
	{"a list in a log line", "| 1 KiB |", "agent", "maxLogged", 1 << 10},
	{"a text in a log line", "| 2 KiB |", "cmd/pksa", "longestAttr", 2 << 10},
	{"the audit trail", "| 400 days (", "agent/config", "AuditKeep", int64(400 * 24 * time.Hour)},
	{"the audit trail", "| 64 GiB (", "agent/config", "AuditMax", 64 << 30},
	{"records that are gathered", "| 4 segments", "agent/ledger", "lagSegments", 4},
	{"outcomes and rejections", "| 8 MiB |", "agent/ledger", "keptMost", 8 << 20},
	{"values that are read", "| 256 |", "agent/ledger", "scanChunk", 256},
	{"values that are read", "| 1 MiB,", "agent/ledger", "listBytes", 1 << 20},
	{"records that `pksa policy suggest`", "| 4 MiB,", "agent/audit", "maxPageContent", 4 << 20},
	{"requests that `pksa policy suggest`", "| 10,000 |", "agent/policy", "MostSeen", 10_000},
	{"requests that `pksa policy suggest`", "| 32 MiB", "agent/policy", "MostSeenBytes", 32 << 20},
	{"rules that `pksa policy suggest`", "| 500; 100 |", "agent/policy", "mostRules", 500},
	{"rules that `pksa policy suggest`", "| 500; 100 |", "agent/policy", "mostLeft", 100},
	{"changes that `pksa policy replay`", "| 10,000; 1,000,000 |", "agent/audit", "mostChanges", 10_000},
	{"changes that `pksa policy replay`", "| 10,000; 1,000,000 |", "agent/audit", "mostDeclined", 1_000_000},
	{"records that a reload judges", "| 5,000,", "agent/audit", "trialRecords", 5000},
	{"records that a reload judges", "in 2 s", "agent/audit", "trialTime", int64(2 * time.Second)},
	{"records that a reload judges", "; 5 |", "agent/audit", "trialChanges", 5},
	{"records that a reload judges", "| 4 MiB", "agent/audit", "trialBytes", 4 << 20},
	{"texts of challenges", "| 20 |", "agent/policy", "mostChallenges", 20},
	{"texts of challenges", "| 2 KiB each", "agent/policy", "longestChallenge", 2 << 10},
	{"an answer of `pksa audit`", "| 1,000 records", "agent/audit", "maxPageRecords", 1000},
	{"an answer of `pksa audit`", "20,000 looked at", "agent/audit", "maxPageScan", 20_000},
	{"an answer of `pksa audit`", "| 4 MiB |", "agent/audit", "maxPageContent", 4 << 20},
	{"an answer |", "| 1 MiB,", "agent/node", "maxAnswer", 1 << 20},
	{"an answer |", "192 KiB each", "agent/node", "accountSize", 192 << 10},
	{"nodes that a public list names", "| 8 |", "agent/node", "maxListed", 8},
	{"nodes that a public list names", "256 KiB of list", "agent/node", "maxList", 256 << 10},
	{"what the guard keeps", "8 KiB a value", "agent/guard", "maxValue", 8 << 10},
	{"what the guard keeps", "256 KiB a note", "agent/ledger", "maxAccountNote", 256 << 10},
	{"questions of the guard", "| 100 |", "agent/guard", "detailsAtOnce", 100},
	{"accepted transactions", "| 4,096 |", "agent/node", "maxFollowed", 4096},
	{"a text that a node says was published", "| 8 KiB |", "agent/node", "maxJSON", 8 << 10},
	{"what a node says was published", "200 pages", "agent/node", "maxPages", 200},
	{"what a node says was published", "of 500", "agent/node", "pageEntries", 500},
	{"what a node says was published", "| 16 MiB;", "agent/node", "maxPublished", 16 << 20},
	{"what a node says was published", "a page 16 MiB", "agent/node", "pageSize", 16 << 20},
	{"requests of connections that", "| 300 a second", "agent/relay", "strangersPerSecond", 300},
	{"requests of connections that", "beyond 1 KiB", "agent/relay", "smallRequest", 1 << 10},
	{"requests of connections that", "each 16 KiB", "agent/relay", "bytesOfFrame", 16 << 10},
	{"connections |", "strangers have 512 in a wallet", "agent/service", "ownRelay.Strangers", 512},
	{"requests and answers that are kept", "| 6 MiB;", "agent/service", "ownRelay.Bytes", 6 << 20},
	{"frames that are being read or worked on", "| 2 MiB of buffers", "agent/service", "ownRelay.Reading", 2 << 20},
	{"accounts that have answered", "| 100 |", "agent/relay", "maxAnswered", 100},
	{"accounts that do not exist", "| 10,000 |", "agent/relay", "maxAbsent", 10_000},
	{"proofs that were used", "| 64 |", "agent/relay", "maxSpentOfAccount", 64},
	{"the head of a connection's request", "| 64 lines", "agent/relay", "headLines", 64},
	{"the head of a connection's request", "| 8 KiB |", "agent/relay", "headBytes", 8 << 10},
	{"a call of the control socket |", "| 16 MiB |", "agent/control", "MaxFrame", 16 << 20},
	{"calls of the control socket at once", "| 64 |", "agent/control", "callsMost", 64},
	{"calls of the control socket at once", "| 256 KiB each", "agent/control", "smallCall", 256 << 10},
	{"calls of the console's socket at once", "| 8, in a room", "agent/control", "consoleMost", 8},
	{"calls of the console's socket at once", "| 256 KiB |", "agent/control", "smallCall", 256 << 10},
	{"people logged in at the console", "| 64;", "cmd/pksa-console", "mostIn", 64},
	{"people logged in at the console", "12 h", "cmd/pksa-console", "loginLife", int64(12 * time.Hour)},
	{"people logged in at the console", "1 h without", "cmd/pksa-console", "loginIdle", int64(time.Hour)},
	{"pages of the console that are open", "| 64 |", "cmd/pksa-console", "mostLive", 64},
	{"connections to the console at once", "| 256;", "cmd/pksa-console", "mostConns", 256},
	{"connections to the console at once", "32 of one", "cmd/pksa-console", "mostOfOne", 32},
	{"what the console has the wallet judge again", "for 8 s", "agent/audit", "lookTime", int64(8 * time.Second)},
	{"what the console has the wallet judge again", "20,000", "agent/audit", "lookRecords", 20_000},
	{"what the console has the wallet judge again", "512 KiB", "agent", "mostPolicyText", 512 << 10},
	{"what is posted to the console", "| 64 KiB |", "cmd/pksa-console", "mostPosted", 64 << 10},
	{"connections to status and metrics", "| 64;", "agent/status", "connectionsMost", 64},
	{"connections to status and metrics", "5 s without", "agent/status", "ReadHeaderTimeout", int64(5 * time.Second)},
	{"connections to status and metrics", "16 KiB of", "agent/status", "MaxHeaderBytes", 16 << 10},
	{"a picture that is paired from", "| 40 million pixels", "cmd/pksa-qr", "maxPixels", 40 << 20},
	{"a picture that is paired from", "| 32 MiB |", "cmd/pksa-qr", "maxFile", 32 << 20},
	{"answers that came before", "| 64 uuids", "agent/client", "maxEarly", 64},
	{"answers that came before", "| 1 MiB,", "agent/client", "earlyBytes", 1 << 20},
	{"offers of a server", "| 64 | 64 KiB |", "agent/client/x402", "mostOffers", 64},
	{"offers of a server", "| 64 | 64 KiB |", "agent/client/x402", "mostBytes", 64 << 10},
	{"what a node says of the chain", "| 1 MiB |", "agent/client", "mostOfNode", 1 << 20},
	{"new sessions", "| 5 |", "agent/client", "maxLogins", 5},
	{"garbage in memory", "8 MiB at most", "cmd/pksa", "mostGarbage", 8 << 20},
	{"garbage in memory", "beyond 64 MiB", "cmd/pksa", "largeWallet", 64 << 20},
	{"garbage in memory", "40 MiB in all", "cmd/pksa", "smallestHeap", 40 << 20},
	{"resident memory", "| 96 MiB |", "cmd/pksa", "mostResident", 96 << 20},
	{"memory for a trail of any size", "| 128 MiB |", "agent/ledger", "memoryUsual", 128 << 20},
	{"connections to a [database]", "| 4 |", "agent/ledger", "pgMost", 4},
	{"connections to a [database]", "for 30 s", "agent/ledger", "pgTime", int64(30 * time.Second)},
	{"a message of that database", "| 64 MiB;", "agent/ledger/pg", "messageMost", 64 << 20},
	{"a message of that database", "64 KiB before", "agent/ledger/pg", "startMost", 64 << 10},
	{"rounds of hashing that the database", "| 1,000,000;", "agent/ledger/pg", "roundsMost", 1_000_000},
	{"rounds of hashing that the database", "4,096 at least", "agent/ledger/pg", "roundsLeast", 4096},
	{"time that the database takes", "5 s to enter", "agent/ledger/pg", "connectTime", int64(5 * time.Second)},
	{"time that the database takes", "25 s a statement", "agent/ledger", "pgStatement", int64(25 * time.Second)},
	{"time that the database takes", "10 s for a row", "agent/ledger", "pgWait", int64(10 * time.Second)},
	{"time that the database takes", "30 s a transaction", "agent/ledger", "pgTime", int64(30 * time.Second)},
	{"time that the database takes", "8 s until one", "agent/ledger", "pgPatience", int64(8 * time.Second)},
	{"how long a database is kept", "| 10 s |", "agent/ledger", "pgLease", int64(10 * time.Second)},
	{"an answer of `pksa session list`", "| 15 MiB |", "agent", "listPage", 15 << 20},
}

// boundsOtherwise are the rows that no constant holds, and why.
var boundsOtherwise = map[string]string{
	"pages of the ledger's file":                    "a measure",
	"digests that the first login":                  "as many as there may be by the row before",
	"counts of dropped requests in the audit trail": "a measure",
	"comparisons of rules while others wait":        "none",
	"counts of altered requests":                    "one for each of what has a bound itself",
	"what is remembered of a node's lies":           "one time",
	"bad proofs":                                    "one",
	"look-ups of accounts at the API nodes":         "agent/relay TestShare tries the numbers",
	"addresses whose pace is remembered":            "agent/relay TestPacesAreForgotten tries the numbers",
	"a part of a segment that is held":              "agent/ledger TestSegmentOfAnySizes tries the numbers",
}

// boundsInside finds the rows that tests inside of packages hold against the defaults of their
// options.
var boundsInside = regexp.MustCompile(`(?m)^\t\t\{"([^"]+)", "`)

// The numbers of the table are those of the program, and each row has one that is held so.
func TestBoundsAreThoseOfTheCode(t *testing.T) {
	page := string(read(t, "docs/bounds.md"))
	sources := map[string]source{}
	var rows []string
	for _, b := range boundsInCode {
		if sources[b.folder] == nil {
			sources[b.folder] = sourceOf(t, b.folder)
		}
		_, row, found := strings.Cut(page, "\n| "+b.row)
		row, _, _ = strings.Cut(row, "\n")
		if !found || !strings.Contains("| "+row, b.says) {
			t.Errorf("no row %q says %q", b.row, b.says)
		}
		if got, err := sources[b.folder].value(b.name); err != nil || got != b.want {
			t.Errorf("%s: %s of %s is %d, want %d: %v", b.row, b.name, b.folder, got, b.want, err)
		}
		rows = append(rows, b.row)
	}
	for _, folder := range []string{"agent/ledger", "agent/relay"} {
		found := boundsInside.FindAllSubmatch(read(t, "../"+folder+"/table_internal_test.go"), -1)
		if len(found) < 10 {
			t.Errorf("%s holds %d rows", folder, len(found))
		}
		for _, row := range found {
			rows = append(rows, string(row[1]))
		}
	}
	for row, why := range boundsOtherwise {
		if why != "" {
			rows = append(rows, row)
		}
	}
	for _, row := range tableRows(page) {
		if !slices.ContainsFunc(rows, func(begin string) bool { return strings.HasPrefix(row, "| "+begin) }) {
			t.Errorf("nothing holds the numbers of this row against the program: %.120s", row)
		}
	}
}

// source is the expressions of a package by the names that boundsInCode may use.
type source map[string]ast.Expr

// sourceOf reads a package. What its tests alone name counts, too: bounds of what is measured.
func sourceOf(t *testing.T, folder string) source {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has %d files: %v", folder, len(files), err)
	}
	// The program's own last, for they count before those of tests.
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Compare(strings.Count(b, "_test.go"), strings.Count(a, "_test.go"))
	})
	s := source{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, s.note)
	}
	return s
}

// note keeps what a node gives a value: a constant or variable outside of functions before a member
// of a literal, and before what fill sets.
func (s source) note(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Body != nil {
			ast.Inspect(n.Body, s.noteInside)
		}
		return false
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i < len(n.Values) {
				s[name.Name] = n.Values[i]
			}
		}
	}
	return true
}

func (s source) noteInside(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		called, ok := n.Fun.(*ast.Ident)
		if !ok || called.Name != "fill" || len(n.Args) != 2 {
			return true
		}
		if at, ok := n.Args[0].(*ast.UnaryExpr); ok {
			if option, ok := at.X.(*ast.SelectorExpr); ok {
				s["set "+option.Sel.Name] = n.Args[1]
			}
		}
	case *ast.KeyValueExpr:
		if member, ok := n.Key.(*ast.Ident); ok {
			if _, err := s.eval(n.Value); err == nil {
				s["member "+member.Name] = n.Value
			}
		}
	}
	return true
}

// value returns the number of a name.
func (s source) value(name string) (int64, error) {
	name, member, _ := strings.Cut(name, ".")
	expr := cmp.Or(s[name], s["set "+name], s["member "+name])
	if literal, ok := expr.(*ast.CompositeLit); ok {
		for _, part := range literal.Elts {
			if pair, ok := part.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == member {
				expr = pair.Value
			}
		}
	}
	if expr == nil {
		return 0, errors.New("there is no such name")
	}
	v, err := s.eval(expr)
	if err != nil {
		return 0, err
	}
	n, exact := constant.Int64Val(constant.ToInt(v))
	if !exact {
		return 0, fmt.Errorf("%s is no whole number", v)
	}
	return n, nil
}

// inOtherPackages are the constants of other packages that bounds are made of.
var inOtherPackages = map[string]int64{
	"time.Nanosecond": 1, "time.Millisecond": int64(time.Millisecond), "time.Second": int64(time.Second),
	"time.Minute": int64(time.Minute), "time.Hour": int64(time.Hour), "control.MaxFrame": control.MaxFrame,
}

func (s source) eval(expr ast.Expr) (constant.Value, error) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return s.eval(e.X)
	case *ast.Ident:
		if value, ok := s[e.Name]; ok {
			return s.eval(value)
		}
	case *ast.SelectorExpr:
		if of, ok := e.X.(*ast.Ident); ok {
			if n, ok := inOtherPackages[of.Name+"."+e.Sel.Name]; ok {
				return constant.MakeInt64(n), nil
			}
		}
	case *ast.BinaryExpr:
		x, err := s.eval(e.X)
		if err != nil {
			return nil, err
		}
		y, err := s.eval(e.Y)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(n)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("%T is no number of the source", expr)
}
