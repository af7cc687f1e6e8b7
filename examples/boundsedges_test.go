package examples_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// How a test of an edge draws the number, one less and one more.
const (
	list = "list" // each of them stands in its text
	turn = "turn" // it goes up to the number and beyond, one at a time
)

// boundsDrawn are the tests of edges that the table of bounds names, with the words of each by
// which a reader sees the numbers.
var boundsDrawn = []struct{ how, test, words string }{
	{list, "cmd/pksa TestMemoryLimit", "64*mib - 4: 72*mib - 4, 64 * mib: 72 * mib, 64*mib + 4: 72*mib + 6"},
	{list, "protocol TestBounds", `protocol.MaxFrame - 1: "", protocol.MaxFrame: "",`},
	{list, "protocol TestDecodeForWallet", `{"depth 31"`},
	{list, "agent/link TestFloodEdge", "9: true, 10: true, 11:"},
	{turn, "agent/link TestRates", `flood("alice", 50); n != 5`},
	{list, "agent/link TestSharesOfManyApps", "mostShares - 1, mostShares, mostShares + 1"},
	{list, "agent/link TestSharesAreForgotten", "{19.9, 2}, {20, 2}, {20.1, 1}"},
	{list, "agent TestStrangersUseUpTheirBucketOnly", "always - 1, always, always + 1"},
	{list, "agent/link TestMayTry", "999, 1000, 1001"},
	{turn, "agent/link TestQueuesAndTickets", "for i := range 10 {"},
	{list, "agent/link TestBytesHeld", `send("alice", last+1)`},
	{turn, "agent/link TestRequestsAtWork", "[]float64{1, 128, 129, 300}"},
	{turn, "agent/link TestLargeFramesAreOpened", "for i := range each {"},
	{list, "agent/link TestToldBusyAtOnce", "31, 32, 33"},
	{list, "agent/link TestAnswersThatAnErrorMayBeAbout", "63, 64, 65"},
	{list, "agent/link TestLinesAboutFaults", "19, 20, 21"},
	{list, "agent/trace TestNextLine", "time.Minute - 1: false, time.Minute: true, time.Minute + 1: true"},
	{list, "agent/trace TestPlacesAtTheBound", "999: 0, 1000: 0, 1001:"},
	{list, "agent/probe TestAnswersAreBounded", "for n := 4; n <= 7; n++ {"},
	{turn, "agent TestAddedRelayRefused", "for i := range 8 {"},
	{turn, "agent TestWaitingOfOneApp", "for n := 1; n <= 21; n++ {"},
	{turn, "agent/approve TestChallengesAreBounded", "for range 63 {"},
	{turn, "agent/approve TestRefusalsAreBounded", "for range 70 {"},
	{turn, "agent/approve TestApproversAreBounded", "for i := range ledger.MostApprovers {"},
	{list, "agent/passkey TestSizes", `{-1: "", 0: "", 1: passkey.Large}`},
	{turn, "agent/notify TestQueueIsBounded", "for range tt.most {"},
	{turn, "agent/notify TestFlood", "for n := range uint64(100) {"},
	{list, "agent TestListOfWhatWaits", "listedParts - 1, listedParts, listedParts + 1"},
	{list, "agent TestLoginsThatWaitForALink", "99, 100, 101"},
	{list, "agent TestLapsedLogins", "1023, 1024, 1025"},
	{list, "agent TestPlacesHoldFewBytes", "room.Bytes - 1: true, room.Bytes: true,"},
	{list, "agent/places TestEdges", "{{10, 9, true}, {10, 10, true}, {10, 11, false}}"},
	{list, "agent TestLargeFromASizeOn", "most - 1, most, most + 1"},
	{turn, "agent TestPlacesOfLargeWork", "for n := range most + 1 {"},
	{list, "agent/ledger TestEachAppHasATurn", "togetherOps - 1, togetherOps, togetherOps + 1"},
	{list, "agent TestOperationsOfOneRequest", `map[int]string{2: "ack", 3: "ack"}`},
	{turn, "agent/ledger TestSessionsOfOneApp", "// the third: at the bound"},
	{turn, "agent/ledger TestNewSessionReplacesAnIdleOneOfItsApp", "o.SessionsPerAccount = 4"},
	{list, "agent/ledger TestAcceptInPortions", "2, 3, 4"},
	{list, "agent/ledger TestLoseInPortions", "most - 1, most, most + 1"},
	{list, "agent/ledger TestTurnBackInPortions", "most - 1, most, most + 1"},
	{list, "agent/ledger TestSessionsOpenInPortions", "2, 3, 4"},
	{list, "agent/ledger TestExpiredSessionsEndInPortions", "most - 1, most, most + 1"},
	{list, "agent/ledger TestActsEndSessionsInPortions", "2, 3, 4"},
	{turn, "agent/ledger TestSessionsOfAllAccounts", "for n := range most {"},
	{list, "agent/ledger TestTombstonesThatARotationDrops", "most - 1, most, most + 1"},
	{turn, "agent/ledger TestLoginsOfOneSecret", "for i := range most {"},
	{list, "agent/ledger TestClaimsOfAnyLength", "63: false, 64: false, 65:"},
	{turn, "agent/ledger TestDemandedNonces", "r.o.DigestsPerSession = 3"},
	{turn, "agent/ledger TestLoginsOfOneSecretInOneCommit", "for i := range 2 * most {"},
	{list, "agent/ledger TestJudgedRequestsOfASession", "63: 0, 64: 0, 65:"},
	{turn, "agent/ledger TestRemnantBounds", "for i := range 40 {"},
	{list, "agent TestTriesOfEndedSessions", "remnantTriesSecond - 1: 255, remnantTriesSecond: 256"},
	{turn, "agent/ledger TestRequestsThatAreKnown", "for n := range 4 {"},
	{turn, "agent/ledger TestJournalIsFull", "for n := 1; n <= 5; n++ {"},
	{list, "agent/policy TestCountersOfOneApp", "{each - 1: allowed, each: allowed}"},
	{list, "agent/policy TestCountersOfOneRequest", "policy.MostOpened - 1: allowed, policy.MostOpened: allowed,"},
	{list, "agent/policy TestRoomOfTheFullest", "policy.MostShown - 1, policy.MostShown, policy.MostShown + 1"},
	{list, "agent/policy TestCountersOutOfUse", "[]int{-1, 0, 1"},
	{list, "agent/policy TestSumsOfOneApp", "most - 1: {most - 1, false}, most: {most, false}, most + 1:"},
	{turn, "agent/ledger TestSumChargesInSteps", "steps < values/7"},
	{list, "agent TestIDsOfTheLastMinutes", "head, fewRecords - 1, 0"},
	{list, "agent TestUncertainBroadcastsAreBounded", "{4095, 0, false}, {4096, 0, true}, {4097, 0, true}"},
	{turn, "agent TestRecentIDsAreBounded", "for n := range most + 2 {"},
	{turn, "agent/ledger TestFatesOfOneApp", "for tx := range uint16(300) {"},
	{turn, "agent TestReplayStorm", "for i := range 120 {"},
	{turn, "agent TestQuarantine", "for i := range 5 {"},
	{turn, "agent TestFewAlteredEachHour", "tries < 100; tries++ {"},
	{turn, "agent TestFaultsOfEndedSessionsAreForgotten", "for id := range ledger.SessionID(sessions) {"},
	{list, "agent/audit TestRecordOfLongRequest", "{fill - 1, false}, {fill, false}, {fill + 1, true}"},
	{list, "agent/audit TestCompressedPartIsBounded", "audit.MaxWhole - 1: true, audit.MaxWhole: true, "},
	{turn, "agent TestManyDenialsBecomeSums", "for i := range all {"},
	{list, "agent TestListsInTheLog", "maxLogged - 1: false, maxLogged: false, maxLogged + 1: true"},
	{list, "cmd/pksa TestLogLinesAreShort", "longestAttr - 1: false, longestAttr: false, longestAttr + 1: true"},
	{list, "agent/ledger TestRetentionByBytes", `"one byte too many"`},
	{list, "agent/ledger TestSegmentEndsByNumber", "7: nil, 8: nil, 9:"},
	{list, "agent/ledger TestSegmentEndsByBytes", "4*each - 1: {"},
	{list, "agent/ledger TestSegmentOfAnySizes", "{fill - 1}, {fill}, {fill + 1}"},
	{list, "agent/ledger TestLagOfSegments", "{amount{31, 0}, false}, {amount{32, 0}, false}, {amount{33, 0}, true}"},
	{turn, "agent/ledger TestDropInPortions", "for range 6 * segment {"},
	{turn, "agent/ledger TestKeptStepsAreBounded", "for ; kept < 2*most/each; kept++ {"},
	{list, "agent/ledger TestStores", "listBytes - 1: 2, listBytes: 1, listBytes + 1: 1"},
	{turn, "agent/ledger TestConnectionsToADatabase", "for n := range pgMost + 1 {"},
	{list, "agent/ledger TestLeaseEnds", "9: false, 10: true, 11: true"},
	{list, "agent/ledger/pg TestConnectTakesSeconds", "connectTime - 1: true, connectTime + 1: false,"},
	{list, "agent/ledger/pg TestMessagesAreBounded", "64<<20 - 1: false, 64 << 20: false, 64<<20 + 1: true"},
	{list, "agent/ledger/pg TestRoundsOfHashing", `"1000000": true, "1000001": false`},
	{list, "agent/ledger TestKeyOfRecord", "period - 1: 0, period: 1, period + 1: 1"},
	{list, "agent TestListOfSessions", "map[int][]int{-1: {4}, 0: {4}, 1: {3, 1}"},
	{list, "agent/audit TestPagesAtTheBound", "999, 1000, 1001"},
	{list, "agent/policy TestSeenLately", "{policy.MostSeen - 1, 0, 0}, {policy.MostSeen, 0, 0}, "},
	{list, "agent/policy TestSuggestedRules", `{499: "", 500: "",`},
	{list, "agent/policy TestSuggestedLinesOfWhatIsLeft", `99: "", 100: "", 101:`},
	{list, "agent/audit TestReplayOfManyChanges", "2: 0, 3: 0, 4:"},
	{list, "agent/audit TestReplayOfManyAnswers", "2: 0, 3: 0, 4:"},
	{list, "agent/audit TestTrialIsBounded", "9: false, 10: false, 11: true"},
	{list, "agent/policy TestSuggestedTexts", "{19, 2047, "},
	{list, "agent/node TestAnswersOfAnyLength", "most - 1, most, most + 1"},
	{list, "agent/node TestNodesOfAList", "7: 7, 8: 8, 9:"},
	{list, "agent/node TestListsOfAnyLength", "most - 1, most, most + 1"},
	{list, "agent/guard TestValuesOfAnyLength", "most - 1, most, most + 1"},
	{list, "agent/ledger TestNotesOfAnyLength", "most - 1, most, most + 1"},
	{list, "agent/guard TestRoutesOfOneLook", "99: 99, 100: 100, 101:"},
	{list, "agent/node TestFollowedTransactions", "4095, 4096, 4097"},
	{list, "agent/node TestPublishedIsNoLongerThanTheChainTakes", "8191, 8192, 8193"},
	{turn, "agent/node TestPublishedIsBounded", `{"pages", 1, 10, 200, 200}`},
	{list, "agent/relay TestSilentConnectionsLeave", "time.Minute - 1: false, time.Minute: true"},
	{turn, "agent/relay TestStrangersHaveTheirPlaces", "for range strangers {"},
	{turn, "agent/relay TestConnections", "relay.Limits{Connections: 2}"},
	{turn, "agent/relay TestIdleConnections", "for range 200 {"},
	{list, "agent/relay TestConnectionsThatAsk", "[]int{-1, 0, 1"},
	{turn, "agent/relay TestConnectionsOfOneAddress", "range c.addresses {"},
	{list, "agent/relay TestSizes", "big[1:]"},
	{list, "agent/relay TestLargestFrame", "most - 1, most, most + 1"},
	{turn, "agent/relay TestFramesPerSecond", "for range 50 {"},
	{list, "agent/relay TestPaceAtTheEdge", "99: 0, 100: 0, 101:"},
	{list, "agent/relay TestConnectionsBeginAtAPace", "9: 9, 10: 10, 11:"},
	{list, "agent/relay TestPacesAreForgotten", "{{1023, last + 1, 1024}, {1024, last - 1, 1025}"},
	{list, "agent/relay TestPendingLimits", "relay.Limits{Bytes: 7*smallHolds - 1}"},
	{turn, "agent/relay TestMakingRoom", "for n := range c.fits + 1 {"},
	{list, "agent/relay TestStrangersWaitForAWallet", "298, 299, 300"},
	{list, "agent/relay TestAnsweredIsBounded", "maxAnswered - 1: maxAnswered - 1, maxAnswered: maxAnswered"},
	{turn, "agent/relay TestRegistrationLimits", "relay.Limits{WalletRegistrations: 1, Registrations: 2}"},
	{turn, "agent/relay TestWalletsOfOneAccount", "for range most {"},
	{list, "agent/relay TestShare", "lookupsAtOnce - 1: 0, lookupsAtOnce: 0"},
	{list, "agent/relay TestAbsentAccounts", "absentTTL - 1: 0, absentTTL: 1, absentTTL + 1: 1"},
	{turn, "agent/relay TestSpentProofsAreBounded", "for n := range 64 {"},
	{list, "agent/relay TestRepliesAtTheBound", "9: false, 10: true, 11:"},
	{list, "agent/relay TestReadingRoomAtTheEdge", `"n-1 of all"`},
	{list, "agent/relay TestOrdinaryFramesDoNotWait", "2<<10 - 1: false, 2 << 10: true, 2<<10 + 1: true"},
	{list, "agent/relay TestShareBesideTheLargeOne", "48: true, 49: true, 50:"},
	{list, "agent/relay TestHeadOfARequest", `"n-1":`},
	{list, "agent/control TestLargestCall", "MaxFrame - 1, MaxFrame, MaxFrame + 1"},
	{turn, "agent/control TestCallsAtOnce", "for range most {"},
	{list, "agent/control TestLargeCallsTakeTurns", "{smallCall - 1, false}, {smallCall, true}, {smallCall + 1, true}"},
	{turn, "agent/control TestConsoleIsBounded", "for range most {"},
	{list, "agent/control TestConsoleCallsAreSmall", "smallCall - 1: true, smallCall: false, smallCall + 1: false"},
	{turn, "agent TestExactChargesOfOneApp", "for n := range mostExact - 1 {"},
	{list, "agent/policy TestPatternsOfOtherNames", "15: Allow, 16: Allow, 17: Deny"},
	{list, "agent/policy TestPatternsThatAreKept", "-1: 2, 0: 2, 1: 1"},
	{list, "agent/audit TestBookOfALook", "9: nil, 10: nil, 11: errManyCharges"},
	{turn, "agent/policy TestReportOfManyRules", "for i, part := range r.Parts {"},
	{list, "agent TestUncertainOfAppsHaveAShare", "{511, 0, 0, false}, {512, 0, 0, true}, {513, 0, 0, true}"},
	{turn, "agent TestRecentIDsOfOneApp", "for n := range most + 2 {"},
	{turn, "agent TestExactAgain", "for n := range 16 {"},
	{list, "protocol TestSignaturesOfOthers", `63: "", 64: "", 65: "signatures"`},
	{list, "protocol TestDecodeSignAckData", "63: true, 64: true, 65: false"},
	{list, "protocol/hive TestQuorumLimits", `{"124 accounts", nil, 29, true, 124, false}`},
	{turn, "agent/audit TestOneLookAtATime", "_, end, err = l.begin("},
	{list, "agent TestConsoleReadsThePolicy", "512<<10 - 1: false, 512 << 10: false, 512<<10 + 1: true"},
	{turn, "cmd/pksa-console TestConnectionsAreBounded", "for range want + 1 {"},
	{turn, "cmd/pksa-console TestLoginsEnd", "for range 63 {"},
	{turn, "cmd/pksa-console TestLive", "for range mostLive {"},
	{list, "cmd/pksa-console TestBodiesAreBounded", "64<<10 - 1: 409, 64 << 10: 409, 64<<10 + 1: 400"},
	{list, "agent/status TestConnectionsAreBounded", "{most - 2, most - 1, most, most + 5}"},
	{list, "cmd/pksa-qr TestRefusesPictures", `"a row fewer"`},
	{list, "cmd/pksa-qr TestCodesOfAPicture", "{maxCodes - 1, maxCodes, maxCodes + 1}"},
	{list, "agent/client TestEarlyAnswersAreBounded", "63, 64, 65"},
	{list, "agent/client TestEarlyAnswersHaveFewBytes", "[]int{-1, 0, 1"},
	{list, "agent/client TestLongAnswersOfNodes", "most - 1, most, most + 1"},
	{list, "agent/client/x402 TestEdgesOfOffers", "63, 64, 65"},
	{turn, "agent/client TestKeepIsBounded", "for i := range 6 {"},
}

// boundsHelpers are the tests whose numbers stand in a function that they call.
var boundsHelpers = map[string]string{"agent/ledger TestStores": "contractListBytes"}

// Of each row of the bounds that is no measure, something draws the number, one less and one more;
// and each test that the page says to try an edge does so.
func TestEdgesAreDrawn(t *testing.T) {
	rows := tableRows(string(read(t, "docs/bounds.md")))
	edge := regexp.MustCompile("`([a-z0-9/-]+ Test[A-Za-z0-9]+)` \\(edge\\)")
	known, tests := map[string]bool{}, map[string]string{}
	for _, d := range boundsDrawn {
		folder, name, _ := strings.Cut(d.test, " ")
		if helper := boundsHelpers[d.test]; helper != "" {
			name = helper
		}
		if tests[folder] == "" {
			tests[folder] = testsOf(t, folder)
		}
		_, text, _ := strings.Cut(tests[folder], "\nfunc "+name+"(")
		if text, _, _ = strings.Cut(text, "\n}\n"); !strings.Contains(text, d.words) {
			t.Errorf("%s does not say %q", d.test, d.words)
		}
		if known[d.test] {
			t.Errorf("%s is named twice", d.test)
		}
		known[d.test] = true
	}
	named := map[string]bool{}
	for _, row := range rows {
		draws := edge.FindAllStringSubmatch(row, -1)
		for _, m := range draws {
			if named[m[1]] = true; !known[m[1]] {
				t.Errorf("what %s draws is not written down: %.80s", m[1], row)
			}
		}
		if len(draws) == 0 && !strings.Contains(row, "(measured)") {
			t.Errorf("nothing draws the edge: %.80s", row)
		}
	}
	for test := range known {
		if !named[test] {
			t.Errorf("no row names %s", test)
		}
	}
}

// testsOf returns the texts of a folder's tests.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		all.Write(read(t, file))
	}
	return all.String()
}
