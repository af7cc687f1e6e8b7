package audit_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// comment is an operation with a body of so many bytes.
func comment(size int) json.RawMessage {
	return fmt.Appendf(nil, `["comment",{"parent_author":"","parent_permlink":"p","author":"alice","permlink":"p",`+
		`"title":"","body":"%s","json_metadata":""}]`, strings.Repeat("b", size))
}

func ballot(i int) json.RawMessage {
	return fmt.Appendf(nil, `["vote",{"voter":"alice","author":"bob","permlink":"post-%d","weight":100}]`, i)
}

func signing(operations ...json.RawMessage) policy.Written {
	yes := true
	return policy.Written{Request: "sign", Account: "alice", App: "app", KeyType: "posting", Broadcast: &yes,
		Operations: operations}
}

func refused() audit.Content {
	return audit.Content{Relay: "wss://hive-auth.arcange.eu/", UUID: strings.Repeat("a", 36),
		Policy:  strings.Repeat("f", 64),
		Effects: []string{"does it"}, Result: "refused", Code: policy.CodeUncovered,
		Reason: "uncovered: no rule names it"}
}

func decoded(t *testing.T, text []byte) (c audit.Content) {
	t.Helper()
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return c
}

// What is not carried out has 8 KiB in the trail, however long it was.
func TestRecordOfLongRequest(t *testing.T) {
	short := len(refused().Encode(audit.NewDraft(signing(comment(0)), false), 1, false))
	fill := audit.MaxContent - short
	for _, c := range []struct {
		body int
		cut  bool
	}{{fill - 1, false}, {fill, false}, {fill + 1, true}, {480_000, true}} {
		w := signing(comment(c.body))
		text := refused().Encode(audit.NewDraft(w, false), 1, false)
		content := decoded(t, text)
		if len(text) > audit.MaxContent || (content.Cut != nil) != c.cut || (len(content.Operations) == 0) != c.cut {
			t.Fatalf("a body of %d bytes: %d bytes, cut %v", c.body, len(text), content.Cut)
		}
		if !c.cut {
			continue
		}
		whole := fmt.Appendf(nil, `{"operations":[%s]}`, w.Operations[0])
		sum := sha256.Sum256(whole)
		if cut := content.Cut; cut.SHA256 != hex.EncodeToString(sum[:]) || cut.Bytes != len(whole) ||
			cut.Operations != 1 ||
			cut.Names["comment"] != 1 || cut.Whole != nil {
			t.Errorf("a body of %d bytes: cut %+v", c.body, cut)
		}
		if err := content.Unpack(); !errors.Is(err, audit.ErrCut) {
			t.Errorf("unpacked: %v", err)
		}
	}
}

// The first operations of many stand in full, where no tool takes them for all.
func TestRecordOfManyOperations(t *testing.T) {
	var votes []json.RawMessage
	for i := range 3500 {
		votes = append(votes, ballot(i))
	}
	content := decoded(t, refused().Encode(audit.NewDraft(signing(votes...), false), 3500, false))
	cut := content.Cut
	if cut == nil || cut.Operations != 3500 || cut.Names["vote"] != 3500 || cut.Effects != 3500 || len(cut.First) < 5 {
		t.Fatalf("cut: %+v", cut)
	}
	for i, op := range cut.First {
		if string(op) != string(votes[i]) {
			t.Errorf("operation %d: %s", i, op)
		}
	}
	if content.Operations != nil {
		t.Error("the first operations pass for the request")
	}
}

// What is carried out is there whole, compressed, and read again as it was.
func TestRecordOfWhatIsCarriedOut(t *testing.T) {
	var votes []json.RawMessage
	var cost []policy.Charge
	for i := range 2500 {
		votes = append(votes, ballot(i))
		cost = append(cost, policy.Charge{Limit: "few", Split: fmt.Sprint("bob/post-", i), Unit: "count", Amount: "1"})
	}
	c := refused()
	c.Result, c.Code, c.Cost = "admitted", "", cost
	text := c.Encode(audit.NewDraft(signing(votes...), true), 2500, true)
	if len(text) > 64<<10 {
		t.Errorf("%d bytes for 2,500 votes", len(text))
	}
	trail, err := audit.ReadTrail([]audit.Record{{Number: 7, Type: "request", Verdict: "admitted", Content: text}},
		hive.Mainnet)
	if err != nil || trail[0].Request == nil || trail[0].Cut {
		t.Fatalf("read: %+v, %v", trail, err)
	}
	if got := trail[0]; len(got.Request.Ops) != 2500 || !slices.Equal(got.Charges, cost) {
		t.Errorf("%d operations, %d charges", len(got.Request.Ops), len(got.Charges))
	}
	shown := audit.Record{Type: "request", Content: text}.Unpacked()
	content := decoded(t, shown.Content)
	if len(content.Operations) != 2500 || len(content.Cost) != 2500 || content.Cut == nil || content.Cut.SHA256 != "" ||
		content.Cut.Effects != 2500 {
		t.Errorf("unpacked: %d operations, cut %+v", len(content.Operations), content.Cut)
	}
	text = bytes.Replace(text, []byte(`"sha256":"`), []byte(`"sha256":"0`), 1)
	content = decoded(t, text)
	if content.Unpack() == nil {
		t.Error("read by another digest")
	}
}

// A text of a challenge that was carried out is there whole, too.
func TestRecordOfLongText(t *testing.T) {
	for size, cut := range map[int]bool{audit.MaxText - 1: false, audit.MaxText: false, audit.MaxText + 1: true} {
		text := strings.Repeat("t", size)
		w := policy.Written{Request: "challenge", Account: "alice", App: "app", KeyType: "posting", Text: &text}
		record := audit.Record{Number: 7, Type: "request", Verdict: "admitted",
			Content: refused().Encode(audit.NewDraft(w, true), 1, true)}
		if got := decoded(t, record.Content); (got.Cut != nil) != cut || len(*got.Text) > audit.MaxText ||
			got.TextSHA256 != hive.HashText(text).String() {
			t.Errorf("%d bytes: %+v", size, got.Cut)
		}
		trail, err := audit.ReadTrail([]audit.Record{record}, hive.Mainnet)
		if err != nil || trail[0].Request == nil || trail[0].Request.Text != text {
			t.Errorf("%d bytes: %+v, %v", size, trail[0].Lacking, err)
		}
		record.Content = refused().Encode(audit.NewDraft(w, false), 1, false)
		if trail, err = audit.ReadTrail([]audit.Record{record}, hive.Mainnet); err != nil || trail[0].Cut != cut {
			t.Errorf("%d bytes, refused: %+v, %v", size, trail[0], err)
		}
	}
}

// random is a content as long as others can make it.
func random(r *rand.Rand) (audit.Content, policy.Written, int) {
	some := func(most int) int { return int(float64(most) * r.Float64() * r.Float64() * r.Float64()) }
	text := func(most int) string {
		runes := []rune{'a', ' ', '"', '\\', '\n', '\u2028', 'é', '😀', '\x01', '<', 0x7f}
		out := make([]rune, some(most))
		for i := range out {
			out[i] = runes[r.IntN(len(runes))]
		}
		return string(out)
	}
	c := refused()
	c.Relay, c.Reason, c.Effects = text(4000), text(20_000), nil
	for range some(300) {
		c.Rules = append(c.Rules, policy.RuleRef{Name: text(300), Line: r.IntN(1e6)})
	}
	for range some(1000) {
		c.Limits = append(c.Limits, policy.LimitState{Limit: policy.RuleRef{Name: text(100)}, Split: text(300),
			Used: "12",
			Room: r.IntN(2) == 0})
		c.Cost = append(c.Cost, policy.Charge{Limit: text(100), Split: text(300), Amount: "1"})
	}
	for range some(audit.MaxContent / 50) {
		c.Effects = append(c.Effects, text(400))
	}
	if r.IntN(2) == 0 {
		c.Observed = &policy.Decision{Reason: text(5000), Rules: c.Rules, Charges: c.Cost, Limits: c.Limits}
	}
	w := policy.Written{Request: "sign", Account: "alice", App: "app"}
	switch long := text(20_000); r.IntN(3) {
	case 0:
		w.Request, w.Text = "challenge", &long
	case 1:
		w.Request, w.Challenge = "auth", &policy.WrittenChallenge{KeyType: "posting", Text: long}
	default:
		for _, def := range hive.Definitions() {
			for range some(6) {
				body, _ := json.Marshal(text(3000))
				w.Operations = append(w.Operations, fmt.Appendf(nil, `[%q,{"body":%s}]`, def.Name, body))
			}
		}
	}
	return c, w, len(c.Effects) + some(3000)
}

// Whatever a request has, its record is bounded, says how much there was, and gives back what it
// promises to.
func TestEveryRecordIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		c, w, effects := random(r)
		before, _ := json.Marshal(w)
		whole := r.IntN(2) == 0
		record := c.Encode(audit.NewDraft(w, whole), effects, whole)
		got := decoded(t, record)
		bound := audit.MaxContent
		if got.Cut != nil {
			bound += (len(got.Cut.Whole)+2)/3*4 + (len(got.Cut.Cost)+2)/3*4
		}
		if len(record) > bound || !whole && bound != audit.MaxContent {
			t.Fatalf("%d: %d bytes, more than %d: %s", i, len(record), bound, record)
		}
		if after, _ := json.Marshal(w); !bytes.Equal(before, after) {
			t.Fatalf("%d: the request was changed", i)
		}
		cut := audit.Cut{}
		if got.Cut != nil {
			cut = *got.Cut
		}
		for what, n := range map[string][3]int{
			"effects": {len(got.Effects), cut.Effects, effects}, "rules": {len(got.Rules), cut.Rules, len(c.Rules)},
			"limits": {len(got.Limits), cut.Limits, len(c.Limits)}, "cost": {len(got.Cost), cut.Costs, len(c.Cost)},
		} {
			if max(n[0], n[1]) != n[2] {
				t.Errorf("%d: %d of %s, cut from %d, of %d", i, n[0], what, n[1], n[2])
			}
		}
		lacks := cut.SHA256 != ""
		if err := got.Unpack(); whole && err != nil || !whole && lacks != errors.Is(err, audit.ErrCut) {
			t.Fatalf("%d: unpacked: %v", i, err)
		}
		if !whole && lacks {
			continue
		}
		if !reflect.DeepEqual(got.Operations, w.Operations) || text(got.Written) != text(w) {
			t.Fatalf("%d: another request:\n%s", i, record)
		}
		if whole && !slices.Equal(got.Cost, c.Cost) {
			t.Errorf("%d: another cost", i)
		}
	}
}

func text(w policy.Written) string {
	switch {
	case w.Text != nil:
		return *w.Text
	case w.Challenge != nil:
		return w.Challenge.Text
	}
	return ""
}

// The longest names of all operations fit.
func TestRecordNamesAllOperations(t *testing.T) {
	var all []json.RawMessage
	for _, def := range hive.Definitions() {
		for range 100 {
			all = append(all, fmt.Appendf(nil, `[%q,{}]`, def.Name))
		}
	}
	record := refused().Encode(audit.NewDraft(signing(all...), false), len(all), false)
	if got := decoded(t, record); len(record) > audit.MaxContent || len(got.Cut.Names) != len(hive.Definitions()) {
		t.Errorf("%d bytes, %d names", len(record), len(got.Cut.Names))
	}
}

// A compressed part is read up to 4 MiB, whoever made it.
func TestCompressedPartIsBounded(t *testing.T) {
	for size, fits := range map[int]bool{audit.MaxWhole - 1: true, audit.MaxWhole: true, audit.MaxWhole + 1: false} {
		op := comment(0)
		op = comment(size - len(fmt.Sprintf(`{"operations":[%s]}`, op)))
		content := decoded(t, refused().Encode(audit.NewDraft(signing(op), true), 1, true))
		if (content.Cut.Whole != nil) != fits {
			t.Errorf("written: %d bytes: %d", size, len(content.Cut.Whole))
		}
		content.Cut.Whole, content.Cut.SHA256 = packed(fmt.Appendf(nil, `{"operations":[%s]}`, op))
		if err := content.Unpack(); (err == nil) != fits {
			t.Errorf("read: %d bytes: %v", size, err)
		}
	}
}

// packed compresses a text, and returns its digest, too.
func packed(text []byte) ([]byte, string) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text)
	_ = w.Close()
	sum := sha256.Sum256(text)
	return out.Bytes(), hex.EncodeToString(sum[:])
}

// What is read from compressed bytes is what they were made of, or an error; and what is read can
// be written and read again.
func FuzzUnpack(f *testing.F) {
	for _, w := range []policy.Written{signing(ballot(1)), signing(comment(9000)), signing()} {
		content := refused()
		content.Cut = new(audit.Cut)
		whole, err := json.Marshal(struct {
			Operations []json.RawMessage `json:"operations"`
		}{w.Operations})
		if err != nil {
			f.Fatal(err)
		}
		bytes, sum := packed(whole)
		f.Add(bytes, sum)
		f.Add(bytes[:len(bytes)-1], sum)
		f.Add(append(bytes, 0), sum)
	}
	f.Fuzz(func(t *testing.T, whole []byte, sum string) {
		content := refused()
		content.Cut = &audit.Cut{SHA256: sum, Whole: whole, Costs: 1, Cost: whole}
		if content.Unpack() != nil {
			return
		}
		if content.Cut != nil {
			t.Fatalf("left: %+v", content.Cut)
		}
		again := decoded(t, content.Encode(audit.NewDraft(content.Written, true), 1, true))
		if err := again.Unpack(); err != nil || len(again.Operations) != len(content.Operations) {
			t.Fatalf("again: %v", err)
		}
	})
}

// A replay does not judge what was cut, and says how many there were.
func TestReplayLeavesOutWhatWasCut(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var records []audit.Record
	for i, w := range []policy.Written{signing(ballot(1)), signing(comment(9000)), signing(comment(500_000))} {
		records = append(records, audit.Record{Number: uint64(i + 1), Time: at, Type: "request", Verdict: "denied",
			Content: refused().Encode(audit.NewDraft(w, false), 1, false)})
	}
	if r := replayed(t, oneVote, records...); r.Requests != 1 || r.Lacking != 2 || r.Cut != 2 {
		t.Errorf("replayed: %+v", r)
	}
	if !records[1].Cut() || records[0].Cut() {
		t.Error("Cut")
	}
}
