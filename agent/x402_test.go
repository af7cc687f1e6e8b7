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

const paymentPolicy = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - name: payments
    request: sign
    apps: any
    key: active
    operations: [transfer: {to: bob, amount: {max: 0.100 HBD}, memo: {regexp: 'x402:[0-9a-f]{32}'}}]
    broadcast: false
    transaction_by: application
limits:
  - {name: day, apps: any, spend: 0.500 HBD per 24h}
`

// paidPage asks for a payment to bob, and broadcasts what it gets.
type paidPage struct {
	w    *world
	cost string
}

func (p *paidPage) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	proof := r.Header.Get("X-Payment")
	if proof == "" {
		answer.WriteHeader(http.StatusPaymentRequired)
		fmt.Fprintf(answer, `{"x402Version":1,"accepts":[{"scheme":"exact","network":"hive:mainnet","payTo":"bob",`+
			`"maxAmountRequired":%q,"resource":"/page"}]}`, p.cost)
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

// A program pays a server through the wallet, until the budget is used up; then it is told so, and
// neither is paid. What the server asks above the rule is refused by the wallet, too.
func TestPaysServersWithinTheBudget(t *testing.T) {
	within(t, worldOptions{policy: paymentPolicy}, func(t *testing.T, w *world) {
		c, err := client.Dial(t.Context(), client.Options{Relay: w.relay.URL, Plaintext: true, Logger: w.log,
			DialContext: w.relay.DialContext, App: protocol.AppInfo{Name: "test", Exact: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		kept, err := c.Keep(t.Context(), client.Login{Account: "alice", Secret: secret,
			File: filepath.Join(t.TempDir(), "session")})
		if err != nil {
			t.Fatal(err)
		}
		shop := &paidPage{w: w, cost: "0.100 HBD"}
		payer, err := x402.New(x402.Options{
			Account: "alice", Wallet: kept, HTTP: &http.Client{Transport: shop},
			Head: func(context.Context) (client.Head, error) {
				var p struct {
					Number uint32 `json:"head_block_number"`
					ID     string `json:"head_block_id"`
				}
				raw, err := w.nodeCall("get_dynamic_global_properties", "")
				if err == nil {
					err = json.Unmarshal(raw, &p)
				}
				return client.Head{Number: p.Number, ID: p.ID, Time: time.Now()}, err
			},
			Transaction: func(_ context.Context, id hive.TxID) ([]byte, error) {
				return w.nodeCall("get_transaction", `"`+id.String()+`"`)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		terms := x402.Terms{Most: hive.Asset{Amount: 200, Symbol: hive.HBD}, To: []hive.AccountName{"bob"}}
		buy := func() (*x402.Payment, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://shop.example/page", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, payment, err := payer.Do(r, terms)
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
		refused := func(payment *x402.Payment, err error) bool {
			return payment == nil && errors.Is(err, client.ErrRefused) && errors.Is(err, client.ErrNothingDone)
		}
		shop.cost = "0.101 HBD"
		if payment, err := buy(); !refused(payment, err) {
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
		if payment, err := buy(); !refused(payment, err) {
			t.Errorf("above the budget: %+v, %v", payment, err)
		}
		if n := len(w.chain.Transactions()); n != 5 {
			t.Errorf("the chain has %d transfers", n)
		}
	})
}
