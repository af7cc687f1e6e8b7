package audit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"pksa/agent/policy"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

const (
	// MaxContent is how many bytes a record holds of a request, with all that was decided about it.
	// Only what is carried out, or waits for a person, is kept whole beside that, compressed. The
	// signature of an approval may have 7 KiB more.
	MaxContent = 8 << 10
	// MaxWhole is how many bytes a compressed part may have before it is compressed, and after it
	// is read again. The longest frame of a relay has a quarter of it.
	MaxWhole = 4 << 20
)

// What the parts of a content get that does not fit [MaxContent], in bytes of JSON. Names of
// operations take at most 1.5 KiB, and what is not listed here has a bound of its own.
const (
	shareText    = 2560 // of a challenge
	shareFirst   = 1024 // operations
	shareEffects = 768
	shareLimits  = 1024
	shareRules   = 512
	shareCost    = 512
	shareReason  = 512
	shareRelay   = 256

	shareObserved = 256 // rules, and reason, of what the decision would be
)

// Cut counts what a record lacks of a request that was too long for it. The numbers are of all that
// there was; a number is zero where nothing was left out.
type Cut struct {
	// SHA256 is the digest of the request as JSON: of its operations, its text or its challenge. It
	// is empty if the record holds the request as it was.
	SHA256     string         `json:"sha256,omitempty"`
	Bytes      int            `json:"bytes,omitempty"` // of the same
	Operations int            `json:"operations,omitempty"`
	Names      map[string]int `json:"names,omitempty"` // how many there are of each operation
	// First are the first operations, each in full. They do not stand where whole requests have
	// them, so that nobody takes them for the request.
	First []json.RawMessage `json:"first,omitempty"`
	Whole []byte            `json:"whole,omitempty"` // the request as JSON, by gzip; nil if it was not kept

	Effects int    `json:"effects,omitempty"`
	Rules   int    `json:"rules,omitempty"`
	Limits  int    `json:"limits_before,omitempty"`
	Costs   int    `json:"costs,omitempty"`
	Cost    []byte `json:"cost,omitempty"` // all of it as JSON, by gzip
}

// ErrCut is for requests of which the trail holds the beginning only.
var ErrCut = errors.New("it was cut when it was recorded: of a request that was not carried out the audit trail " +
	"keeps " +
	"8 KiB")

// asked is the part of a request that may be long.
type asked struct {
	Operations []json.RawMessage        `json:"operations,omitempty"`
	Text       *string                  `json:"text,omitempty"`
	Challenge  *policy.WrittenChallenge `json:"challenge,omitempty"`
}

// Draft is a request that is written down before it is decided what becomes of it. Digest and
// compression of a long one take time, and nobody waits for them here.
type Draft struct {
	Written policy.Written
	text    string // digest of the text of a challenge
	cut     *Cut   // nil until it is needed
}

// NewDraft writes a request down. whole says that it may be carried out, and is kept as it is.
func NewDraft(w policy.Written, whole bool) Draft {
	d := Draft{Written: w}
	long := sizeOf(w.Operations) > MaxContent/2
	if text := textOf(&w); text != nil {
		d.text, long = hive.HashText(*text).String(), len(*text) > MaxText
	}
	if long {
		d.shorten(whole)
	}
	return d
}

// shorten finds out what stands for the request where it does not fit.
func (d *Draft) shorten(whole bool) *Cut {
	if d.cut == nil || whole && d.cut.Whole == nil {
		w := &d.Written
		text := encode(asked{w.Operations, w.Text, w.Challenge})
		sum := sha256.Sum256(text)
		d.cut = &Cut{SHA256: hex.EncodeToString(sum[:]), Bytes: len(text), Operations: len(w.Operations),
			Names: namesIn(w.Operations)}
		d.cut.First = w.Operations[:fitting(w.Operations, shareFirst)]
		if whole {
			d.cut.Whole = pack(text)
		}
	}
	cut := *d.cut
	if !whole {
		cut.Whole = nil
	}
	return &cut
}

// namesIn counts the operations by name.
func namesIn(operations []json.RawMessage) map[string]int {
	var names map[string]int
	for _, raw := range operations {
		name := "?"
		if _, after, ok := bytes.Cut(raw, []byte{'"'}); ok { // they are ours: ["vote",{…}]
			if text, _, ok := bytes.Cut(after, []byte{'"'}); ok {
				name = string(text)
			}
		}
		if names == nil {
			names = map[string]int{}
		}
		names[name]++
	}
	return names
}

// Encode returns the content with the request of the draft as JSON. effects is how many there are;
// the content may have fewer. What is longer than [MaxContent] is cut. With whole, the request and
// what it cost are kept beside that, each of at most [MaxWhole] bytes before it is compressed.
func (c Content) Encode(d Draft, effects int, whole bool) []byte {
	c.Written, c.TextSHA256 = d.Written, d.text
	if effects > len(c.Effects) {
		c.Cut = &Cut{Effects: effects}
	}
	text := textOf(&c.Written)
	if long := text != nil && len(*text) > MaxText; !long && sizeOf(c.Operations) <= MaxContent {
		if b := encode(c); len(b) <= MaxContent {
			return b
		}
	}
	c.cutRequest(&d, whole)
	c.cutLists(effects, whole)
	return encode(c)
}

// cutRequest puts what stands for the request in its place, if it is not short.
func (c *Content) cutRequest(d *Draft, whole bool) {
	text := textOf(&c.Written)
	cutText := text != nil && (len(*text) > MaxText || len(encode(*text)) > shareText)
	if !cutText && sizeOf(c.Operations) <= shareFirst {
		c.Cut = new(Cut)
		return
	}
	c.Cut = d.shorten(whole)
	c.Operations = nil
	if cutText {
		head := headOf(*text, MaxText, shareText)
		c.setText(head)
	}
}

// cutLists cuts everything else to its share.
func (c *Content) cutLists(effects int, whole bool) {
	cut := c.Cut
	c.Relay = head(c.Relay, shareRelay)
	c.Reason = head(c.Reason, shareReason)
	if n := fitting(c.Effects, shareEffects); n < effects {
		c.Effects, cut.Effects = c.Effects[:n], effects
	}
	if n := fitting(c.Rules, shareRules); n < len(c.Rules) {
		c.Rules, cut.Rules = c.Rules[:n], len(c.Rules)
	}
	if fitting(c.Limits, shareLimits) < len(c.Limits) {
		// Those without room are why a request was denied.
		all := slices.Concat(withRoom(c.Limits, false), withRoom(c.Limits, true))
		c.Limits, cut.Limits = all[:fitting(all, shareLimits)], len(all)
	}
	if n := fitting(c.Cost, shareCost); n < len(c.Cost) {
		cut.Costs = len(c.Cost)
		if whole {
			cut.Cost = pack(encode(c.Cost))
		}
		c.Cost = c.Cost[:n]
	}
	if o := c.Observed; o != nil {
		c.Observed = &policy.Decision{Verdict: o.Verdict, Silent: o.Silent, Code: o.Code,
			Reason: head(o.Reason, shareObserved), Rules: o.Rules[:fitting(o.Rules, shareObserved)],
			Session: o.Session, Renew: o.Renew, Timeout: o.Timeout}
	}
	if cut.empty() {
		c.Cut = nil
	}
}

// withRoom returns the limits that have room, or those that have none.
func withRoom(limits []policy.LimitState, room bool) []policy.LimitState {
	return slices.DeleteFunc(slices.Clone(limits), func(l policy.LimitState) bool { return l.Room != room })
}

func (c *Cut) empty() bool {
	return c.SHA256 == "" && c.Effects == 0 && c.Rules == 0 && c.Limits == 0 && c.Costs == 0
}

// Unpack puts what was compressed back in its place. It returns [ErrCut] if not all of the request
// was kept; then the rest is as it was.
func (c *Content) Unpack() error {
	if c.Cut == nil {
		return nil
	}
	cut := *c.Cut
	if len(cut.Cost) > 0 {
		text, err := unpack(cut.Cost)
		if err == nil {
			err = json.Unmarshal(text, &c.Cost)
		}
		if err != nil {
			return fmt.Errorf("what it cost cannot be read: %w", err)
		}
		cut.Costs, cut.Cost = 0, nil
	}
	if cut.SHA256 != "" {
		if len(cut.Whole) == 0 {
			c.Cut = &cut
			return ErrCut
		}
		if err := c.restore(&cut); err != nil {
			return fmt.Errorf("its compressed part cannot be read: %w", err)
		}
		cut = Cut{Effects: cut.Effects, Rules: cut.Rules, Limits: cut.Limits, Costs: cut.Costs}
	}
	c.Cut = &cut
	if cut.empty() {
		c.Cut = nil
	}
	return nil
}

// restore reads the request from its compressed form.
func (c *Content) restore(cut *Cut) error {
	text, err := unpack(cut.Whole)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != cut.SHA256 {
		return errors.New("it is not that of which the record has the digest")
	}
	var all asked
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	c.Operations, c.Text, c.Challenge = all.Operations, all.Text, all.Challenge
	return nil
}

// Cut reports whether a record holds less of its request than there was, and nothing to restore it
// from.
func (r *Record) Cut() bool {
	var content struct{ Cut *Cut }
	if !bytes.Contains(r.Content, []byte(`"cut":`)) || json.Unmarshal(r.Content, &content) != nil {
		return false
	}
	return content.Cut != nil && content.Cut.SHA256 != "" && len(content.Cut.Whole) == 0
}

// Unpacked returns the record with what was compressed in its place. A record that holds nothing
// compressed, or that cannot be read, is returned as it is.
func (r Record) Unpacked() Record {
	var content Content
	if !r.OfRequest() || !bytes.Contains(r.Content, []byte(`"cut":`)) || json.Unmarshal(r.Content, &content) != nil {
		return r
	}
	if content.Unpack() == nil {
		r.Content = encode(content)
	}
	return r
}

func textOf(w *policy.Written) *string {
	if w.Text == nil && w.Challenge != nil {
		return &w.Challenge.Text
	}
	return w.Text
}

// setText changes the text of a challenge. What the content shares with others stays as it is.
func (c *Content) setText(text string) {
	if c.Text != nil {
		c.Text = &text
		return
	}
	challenge := *c.Challenge
	challenge.Text = text
	c.Challenge = &challenge
}

// headOf returns the whole runes at the beginning of a text that have at most so many bytes, and at
// most so many as JSON.
func headOf(text string, most, asJSON int) string {
	for most = min(most, len(text)); ; {
		for most > 0 && most < len(text) && !utf8.RuneStart(text[most]) {
			most--
		}
		size := len(encode(text[:most]))
		if size <= asJSON || most == 0 {
			return text[:most]
		}
		most = min(most-1, most*asJSON/size)
	}
}

// head returns a text that has at most so many bytes as JSON, with an ellipsis if it was cut.
func head(text string, asJSON int) string {
	if len(encode(text)) <= asJSON {
		return text
	}
	return headOf(text, len(text), asJSON-len(plain.Ellipsis)) + plain.Ellipsis
}

// fitting returns how many elements, from the first on, have at most so many bytes as JSON.
func fitting[E any](list []E, most int) int {
	size := 0
	for i, e := range list {
		if size += len(encode(e)) + 1; size > most {
			return i
		}
	}
	return len(list)
}

func sizeOf(operations []json.RawMessage) (size int) {
	for _, op := range operations {
		size += len(op) + 1
	}
	return size
}

// encode returns JSON. Signs of HTML stay as they are: nobody shows a record in a page as it is.
func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil { // unreachable: no type that is passed here holds anything that JSON cannot write
		return []byte("null")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// packers are kept because each takes a megabyte.
var packers = sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return w }}

// pack compresses a text; nil if it is longer than [MaxWhole].
func pack(text []byte) []byte {
	if len(text) > MaxWhole {
		return nil
	}
	var out bytes.Buffer
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	_, _ = w.Write(text) // neither fails: a buffer takes all
	_ = w.Close()
	return out.Bytes()
}

var errPacked = errors.New("it does not end, or has more than 4 MiB")

// unpack returns what was compressed. It reads at most [MaxWhole] bytes, whatever was made of them.
func unpack(packed []byte) ([]byte, error) {
	in := bytes.NewReader(packed)
	r, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	text, err := io.ReadAll(io.LimitReader(r, MaxWhole+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxWhole || in.Len() > 0:
		return nil, errPacked
	}
	return text, nil
}
