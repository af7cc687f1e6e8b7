package x402_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/client/x402"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// page is what the shop sells.
const page = "https://api.example/premium?day=1"

// shop is a server that sells one page, checks proofs as a facilitator does, and cheats where a
// test says so. It has a chain of its own.
type shop struct {
	*testing.T
	chain *nodetest.Chain
	node  http.RoundTripper

	form     form
	offers   []map[string]any                    // nil: the honest one
	status   int                                 // of the answer to a proof; zero: 200
	cut      bool                                // the answer to a proof is lost
	idle     bool                                // no proof is broadcast
	waits    time.Duration                       // after it was
	receipt  func(id string) map[string]any      // nil: the honest one
	redirect map[bool]string                     // where requests without and with a proof are sent
	change   func(h http.Header) (body []byte)   // of the first answer
	sign     func(context.Context, []byte) error // what the wallet does before it signs

	mu      sync.Mutex // of what follows, while requests are served and signed
	asked   []string   // requests, as METHOD URL BODY
	proofs  []string   // headers with a proof
	signed  int        // transactions that the wallet signed
	settled []hive.TxID
}

// form is how offers are written: version, and header or body.
type form struct {
	version int
	header  string // empty: the body
	proof   string
	receipt string
}

var (
	bodyForm    = form{1, "", "X-Payment", "X-Payment-Response"}
	headerForm  = form{1, "X-Payment", "X-Payment", "X-Payment-Response"}
	mixedForm   = form{2, "X-Payment", "X-Payment", "X-Payment-Response"}
	version2    = form{2, "Payment-Required", "Payment-Signature", "Payment-Response"}
	everyForm   = []form{bodyForm, headerForm, mixedForm, version2}
	aliceActive = nodetest.Key("alice", hive.Active)
)

func newShop(t *testing.T) *shop {
	s := &shop{T: t, chain: nodetest.NewChain(nodetest.Options{}), form: headerForm}
	for _, name := range []hive.AccountName{"alice", "shop", "mallory"} {
		s.chain.AddUser(name)
	}
	s.node = nodetest.Transport(s.chain.NewNode("node"))
	return s
}

// offer is the honest offer, of version 1, with other members.
func offer(members ...any) map[string]any {
	o := map[string]any{"x402Version": 1, "scheme": "exact", "network": "hive:mainnet",
		"maxAmountRequired": "0.050 HBD",
		"resource":          "/premium?day=1", "payTo": "shop", "description": "a page",
		"validBefore": time.Now().Add(5 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")}
	for i := 0; i < len(members); i += 2 {
		o[members[i].(string)] = members[i+1]
	}
	return o
}

// required is what the shop asks with status 402.
func (s *shop) required() []byte {
	offers := s.offers
	if offers == nil {
		offers = []map[string]any{offer()}
	}
	all := map[string]any{"x402Version": s.form.version, "accepts": offers}
	if s.form.version == 2 {
		all["resource"] = map[string]any{"url": page}
		for _, o := range offers {
			o["amount"], o["asset"], o["maxTimeoutSeconds"] = o["maxAmountRequired"], "HBD", 300
			o["extra"] = map[string]any{}
			for _, old := range []string{"x402Version", "maxAmountRequired", "resource", "validBefore", "description"} {
				delete(o, old)
			}
		}
	}
	return encoded(s, all)
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var errCut = errors.New("connection reset")

// RoundTrip is the network: the shop alone is there.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprint(r.Method, " ", r.URL, " ", string(body)))
	w := httptest.NewRecorder()
	proof := r.Header.Get(s.form.proof)
	if proof != "" {
		s.proofs = append(s.proofs, proof)
	}
	switch {
	case s.redirect[proof != ""] != "":
		w.Header().Set("Location", s.redirect[proof != ""])
		w.WriteHeader(http.StatusTemporaryRedirect)
	case proof != "":
		s.take(w, proof)
		if s.cut {
			return nil, errCut
		}
	default:
		if s.form.header != "" {
			w.Header().Set(s.form.header, base64.StdEncoding.EncodeToString(s.required()))
		}
		var body []byte
		if s.form.header == "" {
			body = s.required()
		}
		if s.change != nil {
			body = s.change(w.Header())
		}
		w.WriteHeader(http.StatusPaymentRequired)
		_, _ = w.Write(body)
	}
	return w.Result(), nil
}

// take checks a proof, broadcasts it and serves the page.
func (s *shop) take(w *httptest.ResponseRecorder, proof string) {
	raw, err := base64.StdEncoding.DecodeString(proof)
	if err != nil {
		s.Fatal(err)
	}
	var p struct {
		X402Version int
		Scheme      string
		Network     string
		Accepted    map[string]any
		Resource    map[string]any
		Payload     struct {
			SignedTransaction json.RawMessage
			Nonce             string
		}
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		s.Fatal(err)
	}
	switch {
	case p.X402Version != s.form.version:
		s.Errorf("the proof is of version %d", p.X402Version)
	case p.X402Version == 1 && (p.Scheme != "exact" || p.Network != "hive:mainnet" || p.Accepted != nil):
		s.Errorf("the proof is %s", raw)
	case p.X402Version == 2 && (p.Accepted["payTo"] != "shop" || p.Accepted["amount"] != "0.050 HBD" ||
		p.Resource["url"] != page || p.Scheme != ""):
		s.Errorf("the proof is %s", raw)
	}
	t, err := hive.Mainnet.ParseTransaction(p.Payload.SignedTransaction)
	if err != nil {
		s.Fatal(err)
	}
	want := fmt.Sprintf(`["transfer",{"from":"alice","to":"shop","amount":"0.050 HBD","memo":"x402:%s"}]`,
		p.Payload.Nonce)
	if got := hive.Mainnet.AppendOperation(nil, t.Operations[0]); string(got) != want || len(t.Operations) != 1 ||
		len(p.Payload.Nonce) != 32 {
		s.Errorf("the transfer is %s, want %s", got, want)
	}
	packed, err := hive.Mainnet.Serialize(t.Transaction)
	if err != nil {
		s.Fatal(err)
	}
	key, err := t.Signatures[0].Recover(hive.Mainnet.SigningDigest(packed))
	if err != nil || key != aliceActive.Public() {
		s.Errorf("signed by %s, %v", key, err)
	}
	id := hive.TransactionID(packed).String()
	if !s.idle {
		s.rpc("condenser_api.broadcast_transaction", p.Payload.SignedTransaction)
		s.settled = append(s.settled, hive.TransactionID(packed))
		time.Sleep(s.waits)
	}
	receipt := map[string]any{"success": true, "txId": id, "blockNum": 1, "payer": "alice"}
	if s.receipt != nil {
		receipt = s.receipt(id)
	}
	if receipt != nil {
		w.Header().Set(s.form.receipt, base64.StdEncoding.EncodeToString(encoded(s, receipt)))
	}
	if s.status == 0 {
		s.status = http.StatusOK
	}
	w.WriteHeader(s.status)
	if s.status == http.StatusOK {
		_, _ = w.WriteString("the page")
	} else {
		_, _ = w.WriteString(`{"error":"Payment settlement failed","reason":"nonce spent"}`)
	}
}

// rpc asks the node of the chain, which answers.
func (s *shop) rpc(method string, params ...any) json.RawMessage {
	s.Helper()
	if params == nil {
		params = []any{}
	}
	body := encoded(s, map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	response, err := s.node.RoundTrip(httptest.NewRequest(http.MethodPost, "http://node", bytes.NewReader(body)))
	if err != nil {
		s.Fatal(err)
	}
	var answer struct{ Result, Error json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		s.Fatal(err)
	}
	if answer.Error != nil {
		if method != "condenser_api.get_transaction" {
			s.Errorf("%s: %s", method, answer.Error)
		}
		return nil
	}
	return answer.Result
}

// shown is the node of the shop, with answers of a test.
type shown struct {
	*shop
	transaction func(context.Context, hive.TxID) ([]byte, error)
}

func (s shown) Transaction(ctx context.Context, id hive.TxID) ([]byte, error) {
	return s.transaction(ctx, id)
}

func (s *shop) Head(context.Context) (client.Head, error) {
	var p struct {
		Number uint32 `json:"head_block_number"`
		ID     string `json:"head_block_id"`
		Time   string `json:"time"`
	}
	if err := json.Unmarshal(s.rpc("condenser_api.get_dynamic_global_properties"), &p); err != nil {
		return client.Head{}, err
	}
	at, err := hive.ParseTime(p.Time)
	return client.Head{Number: p.Number, ID: p.ID, Time: at.Time()}, err
}

func (s *shop) Transaction(_ context.Context, id hive.TxID) ([]byte, error) {
	return s.rpc("condenser_api.get_transaction", id.String()), nil
}

// SignExact is a wallet that signs whatever it is asked for.
func (s *shop) SignExact(ctx context.Context, r client.ExactRequest) (*client.Signed, error) {
	if !r.SignOnly || r.Role != hive.Active {
		s.Errorf("the wallet is asked for %+v", r)
	}
	if s.sign != nil {
		if err := s.sign(ctx, r.Transaction); err != nil {
			return nil, err
		}
	}
	t, err := hive.Mainnet.ParseTransaction(r.Transaction)
	if err != nil {
		return nil, err
	}
	packed, err := hive.Mainnet.Serialize(t.Transaction)
	if err != nil {
		return nil, err
	}
	signature, err := aliceActive.Sign(hive.Mainnet.SigningDigest(packed))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.signed++
	s.mu.Unlock()
	t.Signatures = []hive.Signature{signature}
	raw, err := hive.Mainnet.AppendJSON(nil, t)
	return &client.Signed{ID: hive.TransactionID(packed), Transaction: raw}, err
}

// payer pays by the shop's wallet.
func (s *shop) payer() *x402.Payer {
	s.Helper()
	p, err := x402.New(x402.Options{Account: "alice", Wallet: s, Node: s,
		HTTP: &http.Client{Transport: s}})
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// most is up to a tenth of a dollar for the shop.
var most = x402.Terms{Most: hive.Asset{Amount: 100, Symbol: hive.HBD}, To: []hive.AccountName{"shop"}}

func request(t testing.TB, ctx context.Context, method, address, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// buy asks for the page.
func (s *shop) buy(p *x402.Payer) (string, *x402.Payment, error) {
	s.Helper()
	response, payment, err := p.Do(request(s, s.Context(), http.MethodGet, page, ""), most)
	if err != nil {
		if response != nil {
			s.Error("an answer beside an error")
		}
		return "", payment, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), payment, err
}

// unpaid expects that nothing was signed.
func (s *shop) unpaid(payment *x402.Payment, err, want error, words string) {
	s.Helper()
	if payment != nil || s.signed > 0 || len(s.proofs) > 0 {
		s.Errorf("paid %+v", payment)
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		s.Errorf("the error is %v, want %v with %q", err, want, words)
	}
}

// included is how many transfers the chain has.
func (s *shop) included() int {
	return len(slices.DeleteFunc(s.settled, func(id hive.TxID) bool { return s.chain.Count(id) != 1 }))
}
