package agent_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/client/x402"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// paidPage asks for a payment, and broadcasts what it gets.
type paidPage struct {
	w        *world
	to, cost string
}

func (p *paidPage) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	proof := r.Header.Get("X-Payment")
	if proof == "" {
		answer.WriteHeader(http.StatusPaymentRequired)
		fmt.Fprintf(answer, `{"x402Version":1,"accepts":[{"scheme":"exact","network":"hive:mainnet","payTo":%q,`+
			`"maxAmountRequired":%q,"resource":"/page"}]}`, p.to, p.cost)
		return answer.Result(), nil
	}
	raw, err := base64.StdEncoding.DecodeString(proof)
	if err != nil {
		return nil, err
	}
	var sent struct {
		Payload struct {
			SignedTransaction json.RawMessage `json:"signedTransaction"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(raw, &sent); err != nil {
		return nil, err
	}
	if _, err := p.w.nodeCall("broadcast_transaction", string(sent.Payload.SignedTransaction)); err != nil {
		return nil, err
	}
	_, _ = answer.WriteString("page")
	return answer.Result(), nil
}

// nodeCall asks the first node, whatever the test did to the agent's way to it.
func (w *world) nodeCall(method, params string) (json.RawMessage, error) {
	call := `{"jsonrpc":"2.0","id":1,"method":"condenser_api.` + method + `","params":[` + params + `]}`
	response, err := nodetest.Transport(w.node).RoundTrip(httptest.NewRequest(http.MethodPost, "http://"+w.node.Name,
		strings.NewReader(call)))
	if err != nil {
		return nil, err
	}
	var answer struct{ Result, Error json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, errors.New(string(answer.Error))
	}
	return answer.Result, nil
}

// chainOf shows the first node of the world.
type chainOf struct{ w *world }

func (c chainOf) Head(context.Context) (client.Head, error) {
	var p struct {
		Number uint32 `json:"head_block_number"`
		ID     string `json:"head_block_id"`
	}
	raw, err := c.w.nodeCall("get_dynamic_global_properties", "")
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	return client.Head{Number: p.Number, ID: p.ID, Time: time.Now()}, err
}

func (c chainOf) Transaction(_ context.Context, id hive.TxID) ([]byte, error) {
	return c.w.nodeCall("get_transaction", `"`+id.String()+`"`)
}

// losing is a wallet of which every other answer is lost.
type losing struct {
	x402.Wallet
	asked int
}

func (l *losing) SignExact(ctx context.Context, r client.ExactRequest) (*client.Signed, error) {
	signed, err := l.Wallet.SignExact(ctx, r)
	if l.asked++; l.asked%2 == 1 && err == nil {
		return nil, client.ErrLost
	}
	return signed, err
}

// payer logs in and returns who pays this page by the wallet, of which answers are lost.
func (p *paidPage) payer() *x402.Payer {
	t := p.w.t
	t.Helper()
	c, err := client.Dial(t.Context(), client.Options{Relay: p.w.relay.URL, Plaintext: true, Logger: p.w.log,
		DialContext: p.w.relay.DialContext, App: protocol.AppInfo{Name: "test", Exact: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	kept, err := c.Keep(t.Context(), client.Login{Account: "alice", Secret: secret,
		File: filepath.Join(t.TempDir(), "session")})
	if err != nil {
		t.Fatal(err)
	}
	payer, err := x402.New(x402.Options{Account: "alice", Wallet: &losing{Wallet: kept}, Node: chainOf{p.w},
		HTTP: &http.Client{Transport: p}})
	if err != nil {
		t.Fatal(err)
	}
	return payer
}

// buy asks for the page. It agrees to pay at most so many thousandths to whom the page names.
func (p *paidPage) buy(payer *x402.Payer, most int64, symbol hive.Symbol) (*x402.Payment, error) {
	t := p.w.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://shop.example/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, payment, err := payer.Do(r, x402.Terms{Most: hive.Asset{Amount: most, Symbol: symbol},
		To: []hive.AccountName{hive.AccountName(p.to)}})
	if err != nil {
		return payment, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if string(body) != "page" {
		t.Errorf("served %q, %v", body, err)
	}
	return payment, err
}

// refusedPayment reports whether the wallet refused, and nothing was paid.
func refusedPayment(payment *x402.Payment, err error) bool {
	return payment == nil && errors.Is(err, client.ErrRefused) && errors.Is(err, client.ErrNothingDone)
}

// A program pays a server through a wallet with the policy of the examples, until the budget is
// used up; then it is told so, and neither is paid. What the server asks above the rule is refused
// by the wallet, too. An answer that is lost costs nothing of the budget.
func TestPaysServersWithinTheBudget(t *testing.T) {
	policy := example(t, "pay_per_request", "[news-api, weather-api]", "[bob]", "2.000 HBD per", "0.500 HBD per")
	prepare := func(w *world) { w.slot("reader") }
	within(t, worldOptions{policy: policy, prepare: prepare}, func(t *testing.T, w *world) {
		shop := &paidPage{w, "bob", "0.100 HBD"}
		payer := shop.payer()
		buy := func() (*x402.Payment, error) { return shop.buy(payer, 200, hive.HBD) }
		shop.cost = "0.101 HBD"
		if payment, err := buy(); !refusedPayment(payment, err) {
			t.Errorf("above the rule: %+v, %v", payment, err)
		}
		shop.cost = "0.100 HBD"
		for n := range 5 {
			payment, err := buy()
			if err != nil {
				t.Fatalf("payment %d: %v", n+1, err)
			}
			time.Sleep(6 * time.Second)
			if err := payer.Look(t.Context(), payment); err != nil || payment.Fate != x402.OnChain {
				t.Errorf("payment %d is %s, %v", n+1, payment.Fate, err)
			}
		}
		if payment, err := buy(); !refusedPayment(payment, err) {
			t.Errorf("above the budget: %+v, %v", payment, err)
		}
		if n := len(w.chain.Transactions()); n != 5 {
			t.Errorf("the chain has %d transfers", n)
		}
	})
}
