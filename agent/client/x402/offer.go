package x402

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Bounds of what a server says.
const (
	mostBytes  = 64 << 10 // of a header, or of a body with offers
	mostOffers = 64
)

// The headers, by version and place. Programs for Hive use those of version 1 for both versions.
const (
	headerOffers1  = "X-Payment" // of a response with status 402
	headerProof1   = "X-Payment" // of a request
	headerReceipt1 = "X-Payment-Response"
	headerOffers2  = "Payment-Required"
	headerProof2   = "Payment-Signature"
	headerReceipt2 = "Payment-Response"
)

// Offer is what a server asks for one answer.
type Offer struct {
	Version  int              // of x402: 1 or 2
	Amount   hive.Asset       // more than zero
	To       hive.AccountName // who is paid
	Resource string           // what is paid for, as the server calls it: an address, or a path
	Until    time.Time        // the server takes no payment from then on; zero if it does not say

	amount   string         // as it came
	proof    string         // the header that takes the proof
	accepted jsontext.Value // the offer as it came; for version 2, which sends it back
	resource jsontext.Value // likewise; may be nil
}

// ErrNoOffer means that a server asks for payment, and none of its offers can be paid here: the
// scheme is not "exact", the network or the asset is another, or it cannot be read. Nothing was
// paid.
var ErrNoOffer = errors.New("the server offers nothing that can be paid here")

// ErrTerms means that what the server asks is not what the caller agreed to. Nothing was paid.
var ErrTerms = errors.New("the server asks what was not agreed to")

// required is what comes with status 402: a header or a body.
type required struct {
	Version  int              `json:"x402Version"`
	Resource jsontext.Value   `json:"resource"` // version 2
	Accepts  []jsontext.Value `json:"accepts"`
}

// entry is one of the offers, of either version.
type entry struct {
	Scheme  string         `json:"scheme"`
	Network string         `json:"network"`
	PayTo   string         `json:"payTo"`
	Asset   string         `json:"asset"`             // version 2
	Amount  string         `json:"amount"`            // version 2
	Most    string         `json:"maxAmountRequired"` // version 1
	Named   jsontext.Value `json:"resource"`          // version 1
	Before  string         `json:"validBefore"`       // version 1
	Seconds int64          `json:"maxTimeoutSeconds"` // version 2
}

// offered reads what a response with status 402 asks for. It returns the header that takes the
// proof. It reads no more than mostBytes of the body.
func offered(response *http.Response) (r required, proof string, err error) {
	for _, h := range []struct{ offers, proof string }{{headerOffers2, headerProof2}, {headerOffers1, headerProof1}} {
		if text := response.Header.Get(h.offers); text != "" {
			r, err = readHeader[required](text)
			return r, h.proof, err
		}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, mostBytes+1))
	if err != nil {
		return r, "", err
	}
	if len(body) > mostBytes {
		return r, "", fmt.Errorf("the body has more than %d bytes", mostBytes)
	}
	return r, headerProof1, json.Unmarshal(body, &r)
}

// readHeader reads a header that is JSON in base64.
func readHeader[T any](text string) (v T, err error) {
	if len(text) > mostBytes {
		return v, fmt.Errorf("the header has more than %d bytes", mostBytes)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return v, errors.New("the header is not base64")
	}
	return v, json.Unmarshal(raw, &v)
}

// choose narrows the offers to one before anything is judged: of those of the scheme, the network
// and the asset, the cheapest, and of these the first. So a server gains nothing by adding others.
func (p *Payer) choose(r required, proof string, symbol hive.Symbol, now time.Time) (chosen Offer, err error) {
	switch {
	case r.Version != 1 && r.Version != 2:
		return chosen, fmt.Errorf("%w: x402Version is %d, and 1 and 2 are known", ErrNoOffer, r.Version)
	case len(r.Accepts) > mostOffers:
		return chosen, fmt.Errorf("%w: %d offers, and %d are looked at", ErrNoOffer, len(r.Accepts), mostOffers)
	}
	var reasons []string
	for i, raw := range r.Accepts {
		o, err := p.readOffer(r, raw, proof, symbol, now)
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("offer %d: %v", i+1, err))
			continue
		}
		if chosen.Version == 0 || o.Amount.Amount < chosen.Amount.Amount {
			chosen = o
		}
	}
	if chosen.Version == 0 {
		if len(reasons) == 0 {
			reasons = []string{"the list is empty"}
		}
		return chosen, fmt.Errorf("%w: %s", ErrNoOffer, plain.Cut(strings.Join(reasons, "; "), 600))
	}
	return chosen, nil
}

// readOffer reads an offer of the scheme, the network and the asset, or says what it is instead.
func (p *Payer) readOffer(r required, raw jsontext.Value, proof string, symbol hive.Symbol,
	now time.Time) (Offer, error) {
	var e entry
	o := Offer{Version: r.Version, proof: proof, accepted: raw, resource: r.Resource}
	if err := json.Unmarshal(raw, &e); err != nil {
		return o, errors.New("it cannot be read")
	}
	switch {
	case e.Scheme != "exact":
		return o, fmt.Errorf("the scheme is %s", quote(e.Scheme))
	case e.Network != p.o.NetworkName:
		return o, fmt.Errorf("the network is %s, not %s", quote(e.Network), p.o.NetworkName)
	}
	text, resource := e.Most, e.Named
	if r.Version == 2 {
		text, resource = e.Amount, r.Resource
	}
	var err error
	if o.Amount, err = p.o.Network.ParseAsset(text); err != nil || o.Amount.Amount <= 0 {
		return o, fmt.Errorf("%s is no amount to pay; one is written as 0.050 HBD", quote(text))
	}
	if o.Amount.Symbol != symbol || e.Asset != "" && !strings.HasSuffix(text, " "+e.Asset) {
		return o, fmt.Errorf("it asks for %s (asset %s), and the terms are in another asset", quote(text),
			quote(e.Asset))
	}
	o.amount = text
	if o.To, err = hive.ParseAccountName(e.PayTo); err != nil {
		return o, fmt.Errorf("payTo %s is no account name", quote(e.PayTo))
	}
	if o.Resource, err = resourceName(resource); err != nil {
		return o, err
	}
	if o.Until, err = e.until(now); err != nil {
		return o, err
	}
	return o, nil
}

// resourceName returns what is sold: a text in version 1, the url of an object in version 2.
func resourceName(raw jsontext.Value) (string, error) {
	var name string
	var named struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(raw, &name) == nil {
		return name, nil
	}
	if json.Unmarshal(raw, &named) != nil {
		return "", errors.New("it does not say what is sold (resource)")
	}
	return named.URL, nil
}

// until returns the end of an offer: an instant in version 1, a span in version 2.
func (e *entry) until(now time.Time) (time.Time, error) {
	if e.Before != "" {
		end, err := time.Parse(time.RFC3339, e.Before)
		if err != nil {
			return end, fmt.Errorf("validBefore %s is no time", quote(e.Before))
		}
		return end, nil
	}
	if e.Seconds == 0 {
		return time.Time{}, nil
	}
	if e.Seconds < 0 || e.Seconds > 366*24*3600 {
		return time.Time{}, fmt.Errorf("maxTimeoutSeconds is %d", e.Seconds)
	}
	return now.Add(time.Duration(e.Seconds) * time.Second), nil
}

// judge compares the chosen offer with what the caller agreed to.
func (t *Terms) judge(o *Offer, address *url.URL) error {
	if o.Amount.Amount > t.Most.Amount {
		return fmt.Errorf("%w: it asks for %s, and at most %s was agreed", ErrTerms, o.Amount, t.Most)
	}
	if !t.allows(o.To) {
		return fmt.Errorf("%w: it wants %s paid, whom Terms.To does not name", ErrTerms, o.To)
	}
	if !t.sells(o.Resource, address) {
		return fmt.Errorf("%w: it sells %s, and the request is for %s; where a server knows itself by another "+
			"address, set Terms.Resource", ErrTerms, quote(o.Resource), address.Redacted())
	}
	return nil
}

// sells reports whether a resource is what the request is for: the same address, or the path of it.
func (t *Terms) sells(resource string, address *url.URL) bool {
	if t.Resource != "" {
		return resource == t.Resource
	}
	named, err := url.Parse(resource)
	if err != nil || resource == "" || named.User != nil {
		return false
	}
	other := named.Scheme != address.Scheme || !strings.EqualFold(named.Host, address.Host)
	if other && named.Scheme+named.Host != "" {
		return false
	}
	return orSlash(named.EscapedPath()) == orSlash(address.EscapedPath()) && named.RawQuery == address.RawQuery
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// quote returns foreign text quoted, and not too long.
func quote(text string) string { return plain.Quote(text, 100) }
