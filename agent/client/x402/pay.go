package x402

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/agent/client"
	"pksa/protocol/hive"
	"pksa/protocol/host"
)

// Wallet signs a transaction as it is, and broadcasts nothing: a [client.Kept] does.
type Wallet interface {
	SignExact(ctx context.Context, r client.ExactRequest) (*client.Signed, error)
}

// Node shows the chain: a [client.Node] does. It is one node, and not two: if one told the newest
// block and another one, which is behind, were asked for a transfer, that would count as never
// carried out although it was.
type Node interface {
	Head(ctx context.Context) (client.Head, error) // the newest block
	// Transaction returns a transaction from the chain, or [client.ErrNoTransaction].
	Transaction(ctx context.Context, id hive.TxID) ([]byte, error)
}

// Options are what [New] needs. Account, Wallet and Node must be set.
type Options struct {
	Account hive.AccountName // who pays
	Wallet  Wallet
	Node    Node // used concurrently

	// HTTP sends the requests; nil means http.DefaultClient. Its CheckRedirect is not used: no
	// redirect is followed.
	HTTP *http.Client
	// Life is how long a transfer can be included; zero means a minute. The wallet has that time to
	// answer, and the server to broadcast. A wallet that asks a person needs longer, and its
	// settings bound it (limits.transaction_life).
	Life time.Duration
	// LookEvery is how often the chain is asked for a transfer; zero means 3 s, one block.
	LookEvery time.Duration

	Network     *hive.Network // nil means hive.Mainnet
	NetworkName string        // as servers call it; "hive:mainnet" if empty and Network is nil
}

// Terms are what the caller agrees to pay for one request, before it knows what the server asks.
type Terms struct {
	Most hive.Asset // at most, and in which asset: HBD or HIVE
	// To is who may be paid; one at least. Name whom this server is known to have its money sent
	// to: a proof does not say which server it is for, so one could show it to another one that is
	// paid by the same account.
	To []hive.AccountName
	// Resource is what the server calls that which is paid for, if that is neither the address of
	// the request nor its path; else empty.
	Resource string
}

func (t *Terms) allows(to hive.AccountName) bool { return slices.Contains(t.To, to) }

func (t *Terms) check() error {
	switch {
	case t.Most.Amount <= 0:
		return errors.New("x402: Terms.Most must be more than nothing")
	case t.Most.Symbol != hive.HBD && t.Most.Symbol != hive.HIVE:
		return errors.New("x402: Terms.Most must be in HBD or HIVE")
	case len(t.To) == 0:
		return errors.New("x402: Terms.To must name who may be paid")
	}
	return nil
}

// Payer pays for requests from one account. It may be used concurrently.
type Payer struct {
	o    Options
	http http.Client

	mu sync.Mutex
	// unanswered are the transfers of which the wallet's answer was lost.
	unanswered map[purpose]transfer
}

// New returns a payer, or what is wrong with the options. It sends nothing.
func New(o Options) (*Payer, error) {
	if o.Account == "" || o.Wallet == nil || o.Node == nil {
		return nil, errors.New("x402: Account, Wallet and Node must be set")
	}
	if o.Network == nil {
		o.Network = hive.Mainnet
		if o.NetworkName == "" {
			o.NetworkName = "hive:mainnet"
		}
	}
	if o.NetworkName == "" {
		return nil, errors.New("x402: NetworkName must be set for another network than the main one")
	}
	if o.Life <= 0 {
		o.Life = time.Minute
	}
	if o.LookEvery <= 0 {
		o.LookEvery = 3 * time.Second
	}
	p := &Payer{o: o, unanswered: map[purpose]transfer{}}
	if o.HTTP != nil {
		p.http = *o.HTTP
	}
	// A proof is worth money to whoever gets it, and an offer is the word of the host that was
	// asked.
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p, nil
}

// Payment is a transfer that the wallet signed.
type Payment struct {
	Offer   Offer
	ID      hive.TxID
	Expires time.Time // no block takes it from then on
	// Sent is true once the server may have the proof. Until Expires it can then have the transfer
	// carried out, whatever it answers. What was not sent, nobody can carry out.
	Sent    bool
	Receipt *Receipt // what the server says of it; nil if it says nothing, or nothing legible
	Fate    Fate     // as [Payer.Look] last found
}

// Errors after which nothing is known yet, or something was paid for nothing.
var (
	// ErrUnanswered means that the wallet was asked, and that its answer was lost or is not
	// certain: it may have signed and counted the transfer, which nobody can carry out since nobody
	// has the signature. Call Do again with an equal request: as long as the transfer lives, the
	// wallet is asked for the same one, which it counts once.
	ErrUnanswered = errors.New("the wallet gave no certain answer")
	// ErrLate means that the wallet's signature came too late to be of use. The proof was not sent.
	ErrLate = errors.New("the signature came too late")
	// ErrLost means that the answer to the proof did not arrive. Payment.Fate says whether the
	// server has had the transfer carried out.
	ErrLost = errors.New("the answer was lost after the proof was sent")
	// ErrAskedAgain means that the server has the proof and answers 402 once more. It can still
	// have the transfer carried out until Payment.Expires: do not pay again before Payment.Fate is
	// Never. Do has looked once; Payer.Look looks again.
	ErrAskedAgain = errors.New("the server has the proof and asks for payment again")
)

// soonest is how much time a transfer must have when its proof is sent.
const soonest = 5 * time.Second

// Do sends a request and, if the server answers 402, pays for it by the terms and sends it once
// more. It returns the server's answer, whose body the caller closes, and the payment, which is nil
// if no signature came: then nothing can be paid. Where the wallet's answer is lost, Do asks it for
// the same transfer up to twice more, and then returns [ErrUnanswered]: the next call with an equal
// request goes on with that transfer. There may be a payment beside an error. If the answer to the
// proof is lost, Do looks for the transfer until its fate is known, until the
// context of the request ends, or until two minutes after the transfer's end; [Payer.Look] goes on
// then.
//
// The request must be for https, or for this machine. If it has a body, it must have GetBody, as
// those of http.NewRequest do. Its header must not have a proof.
func (p *Payer) Do(request *http.Request, terms Terms) (*http.Response, *Payment, error) {
	if err := terms.check(); err != nil {
		return nil, nil, err
	}
	if err := checkRequest(request); err != nil {
		return nil, nil, err
	}
	response, err := p.http.Do(request)
	if err != nil || response.StatusCode != http.StatusPaymentRequired {
		return response, nil, err
	}
	offer, err := p.readOffers(response, terms)
	if err == nil {
		err = terms.judge(&offer, request.URL)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("x402: %s: %w", request.URL.Redacted(), err)
	}
	again, err := repeat(request) // before anything is paid
	if err != nil {
		return nil, nil, fmt.Errorf("x402: %s: the request cannot be sent again: %w", request.URL.Redacted(), err)
	}
	payment, proof, err := p.authorise(request, offer)
	if err != nil {
		if again.Body != nil {
			again.Body.Close()
		}
		return nil, payment, fmt.Errorf("x402: %s to %s for %s: %w", offer.Amount, offer.To, request.URL.Redacted(),
			err)
	}
	response, err = p.hand(again, payment, proof)
	if err != nil {
		return nil, payment, fmt.Errorf("x402: %s: transaction %s: %w", request.URL.Redacted(), payment.ID, err)
	}
	return response, payment, nil
}

func checkRequest(request *http.Request) error {
	u := request.URL
	if u == nil || u.Host == "" {
		return errors.New("x402: the request has no host")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && host.Loopback(u.Hostname())) {
		return fmt.Errorf("x402: %s: a proof is worth money to who reads it: use https", u.Redacted())
	}
	if request.Host != "" && request.Host != u.Host {
		return fmt.Errorf("x402: the request names host %q and goes to %q", request.Host, u.Host)
	}
	if request.Body != nil && request.Body != http.NoBody && request.GetBody == nil {
		return errors.New("x402: the request has a body that can be sent only once: set GetBody")
	}
	for _, name := range []string{headerProof1, headerProof2} {
		if request.Header.Get(name) != "" {
			return fmt.Errorf("x402: the request has a proof already (%s)", name)
		}
	}
	return nil
}

// readOffers reads a response with status 402, closes it, and chooses.
func (p *Payer) readOffers(response *http.Response, terms Terms) (Offer, error) {
	defer response.Body.Close()
	r, proof, err := offered(response)
	if err != nil {
		return Offer{}, fmt.Errorf("%w: %v", ErrNoOffer, err)
	}
	return p.choose(r, proof, terms.Most.Symbol, time.Now())
}

// transfer is a transaction that the wallet is asked to sign.
type transfer struct {
	unsigned []byte // as JSON
	nonce    string
	expires  time.Time
}

// soon reports whether too little time is left to use it.
func (t transfer) soon() bool { return time.Until(t.expires) < soonest }

// purpose is what a transfer is for. One whose answer was lost is asked for again only for that.
type purpose struct {
	method, address string
	to              hive.AccountName
	amount          string
}

// take returns the transfer for a purpose of which the answer was lost, if there is one that can be
// used. It is the caller's then: no second call gets it. An offer that ends before that transfer is
// an error: another transfer would be counted beside it.
func (p *Payer) take(of purpose, until time.Time) (t transfer, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.unanswered, func(_ purpose, t transfer) bool { return t.soon() })
	if t, ok = p.unanswered[of]; ok && !until.IsZero() && t.expires.After(until) {
		return t, false, fmt.Errorf("%w: it ends before a transfer that the wallet was asked for and did not answer; "+
			"call again after %s, when that is over", ErrTerms, hive.TimeOf(t.expires))
	}
	delete(p.unanswered, of)
	return t, ok, nil
}

// keep keeps a transfer of which the answer was lost, until it is over.
func (p *Payer) keep(of purpose, t transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unanswered[of] = t
}

// authorise has the wallet sign the transfer. With an error there may be a payment that was not
// sent.
func (p *Payer) authorise(request *http.Request, offer Offer) (*Payment, string, error) {
	ctx := request.Context()
	of := purpose{request.Method, request.URL.String(), offer.To, offer.amount}
	made, again, err := p.take(of, offer.Until)
	if err != nil {
		return nil, "", err
	}
	if !again {
		if made, err = p.transfer(ctx, offer); err != nil {
			return nil, "", err
		}
	}
	signed, err := p.sign(ctx, made)
	if err != nil {
		if lost(err) || ctx.Err() != nil {
			p.keep(of, made)
			err = fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
		return nil, "", err
	}
	payment := &Payment{Offer: offer, ID: signed.ID, Expires: made.expires}
	if made.soon() {
		return payment, "", ErrLate
	}
	proof, err := offer.prove(p.o.NetworkName, signed.Transaction, made.nonce)
	return payment, proof, err
}

// How often the wallet is asked for one transfer, and how long it is left in peace in between.
const (
	mostAsked  = 3
	askedEvery = time.Second
)

// sign asks the wallet, and again where its answer is lost: the same transfer counts once.
func (p *Payer) sign(ctx context.Context, made transfer) (*client.Signed, error) {
	for n := 1; ; n++ {
		signed, err := p.o.Wallet.SignExact(ctx, client.ExactRequest{Role: hive.Active, Transaction: made.unsigned,
			SignOnly: true})
		if !lost(err) || n == mostAsked || made.soon() {
			return signed, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askedEvery):
		}
	}
}

// lost reports whether an error leaves open what the wallet did.
func lost(err error) bool {
	for _, open := range []error{client.ErrExpired, client.ErrLost, client.ErrFailed, client.ErrBadAnswer,
		client.ErrRefused} { // a refusal that is not sealed may be the relay's
		if errors.Is(err, open) {
			return !errors.Is(err, client.ErrNothingDone)
		}
	}
	return false
}

// transfer makes the transaction that an offer asks for.
func (p *Payer) transfer(ctx context.Context, offer Offer) (transfer, error) {
	head, err := p.o.Node.Head(ctx)
	if err != nil {
		return transfer{}, fmt.Errorf("asking for the newest block: %w", err)
	}
	num, prefix, err := hive.ReferenceBlock(head.Number, head.ID)
	if err != nil {
		return transfer{}, err
	}
	expires := head.Time.Add(p.o.Life)
	if !offer.Until.IsZero() && offer.Until.Before(expires) {
		expires = offer.Until
	}
	at := hive.TimeOf(expires) // whole seconds: not later
	made := transfer{expires: at.Time()}
	if made.soon() {
		return made, fmt.Errorf("%w: the offer ends at %s, or the node is behind", ErrTerms, at)
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	made.nonce = hex.EncodeToString(random[:])
	raw, err := json.Marshal([]any{"transfer", map[string]string{"from": string(p.o.Account),
		"to": string(offer.To), "amount": offer.amount, "memo": "x402:" + made.nonce}})
	if err != nil {
		return made, err
	}
	op, err := p.o.Network.ParseOperation(raw)
	if err != nil {
		return made, err
	}
	made.unsigned, err = p.o.Network.AppendJSON(nil, hive.SignedTransaction{Transaction: hive.Transaction{
		RefBlockNum: num, RefBlockPrefix: prefix, Expiration: at, Operations: []hive.Operation{op}}})
	return made, err
}

// prove returns the header that proves the payment.
func (o *Offer) prove(network string, signed []byte, nonce string) (string, error) {
	type payload struct {
		Transaction jsontext.Value `json:"signedTransaction"`
		Nonce       string         `json:"nonce"`
	}
	proof := struct {
		Version  int            `json:"x402Version"`
		Scheme   string         `json:"scheme,omitzero"`
		Network  string         `json:"network,omitzero"`
		Resource jsontext.Value `json:"resource,omitzero"`
		Accepted jsontext.Value `json:"accepted,omitzero"`
		Payload  payload        `json:"payload"`
	}{Version: o.Version, Payload: payload{signed, nonce}}
	if o.Version == 2 {
		proof.Resource, proof.Accepted = o.resource, o.accepted
	} else {
		proof.Scheme, proof.Network = "exact", network
	}
	text, err := json.Marshal(proof)
	return base64.StdEncoding.EncodeToString(text), err
}

// repeat returns the request once more, with a body of its own.
func repeat(request *http.Request) (again *http.Request, err error) {
	again = request.Clone(request.Context())
	if request.GetBody != nil {
		again.Body, err = request.GetBody()
	}
	return again, err
}

// hand sends a request with its proof.
func (p *Payer) hand(request *http.Request, payment *Payment, proof string) (*http.Response, error) {
	ctx := request.Context()
	request.Header.Set(payment.Offer.proof, proof)
	payment.Sent = true
	response, err := p.http.Do(request)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLost, err)
		return nil, errors.Join(err, p.await(ctx, payment))
	}
	payment.Receipt = payment.readReceipt(response.Header)
	if response.StatusCode == http.StatusPaymentRequired {
		defer response.Body.Close()
		err := fmt.Errorf("%w%s", ErrAskedAgain, payment.reason(response.Body))
		return nil, errors.Join(err, p.Look(ctx, payment))
	}
	return response, nil
}

// reason returns why a server did not take a proof, in its own words.
func (p *Payment) reason(body io.Reader) string {
	if p.Receipt != nil && p.Receipt.Reason != "" {
		return ": " + quote(p.Receipt.Reason)
	}
	var said struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	raw, err := io.ReadAll(io.LimitReader(body, mostBytes))
	if err != nil || json.Unmarshal(raw, &said) != nil || said.Error+said.Reason == "" {
		return ""
	}
	if said.Reason == "" {
		said.Reason = said.Error
	}
	return ": " + quote(said.Reason)
}
