package x402_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/client/x402"
	"pksa/protocol/hive"
)

func inShop(t *testing.T, f func(t *testing.T, s *shop)) {
	synctest.Test(t, func(t *testing.T) { f(t, newShop(t)) })
}

func TestPays(t *testing.T) {
	for _, form := range everyForm {
		inShop(t, func(t *testing.T, s *shop) {
			s.form = form
			p := s.payer()
			body, payment, err := s.buy(p)
			if err != nil || body != "the page" {
				t.Fatalf("%+v: %q, %v", form, body, err)
			}
			if !payment.Sent || payment.Receipt == nil || !payment.Receipt.Success || !payment.Receipt.Ours ||
				payment.Fate != x402.Unknown {
				t.Errorf("%+v: %+v, receipt %+v", form, payment, payment.Receipt)
			}
			if o := payment.Offer; o.Amount != (hive.Asset{Amount: 50, Symbol: hive.HBD}) || o.To != "shop" ||
				o.Version != form.version {
				t.Errorf("%+v: the offer is %+v", form, o)
			}
			time.Sleep(6 * time.Second)
			if err := p.Look(t.Context(), payment); err != nil || payment.Fate != x402.OnChain || s.included() != 1 {
				t.Errorf("%+v: %s, %v", form, payment.Fate, err)
			}
			if len(s.asked) != 2 || s.signed != 1 {
				t.Errorf("%+v: asked %q, signed %d", form, s.asked, s.signed)
			}
		})
	}
}

// What needs no payment is answered as it is, and the wallet hears nothing.
func TestPaysForNothingThatIsFree(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.redirect = map[bool]string{false: "https://evil.example/premium"}
		response, payment, err := s.payer().Do(request(t, t.Context(), http.MethodGet, page, ""), most)
		if err != nil || payment != nil || response.StatusCode != http.StatusTemporaryRedirect || len(s.asked) != 1 {
			t.Errorf("%+v, %+v, %v, asked %q", response, payment, err, s.asked)
		}
	})
}

func TestSendsTheBodyAgain(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		_, _, err := s.payer().Do(request(t, t.Context(), http.MethodPost, page, "a question"), most)
		if err != nil || len(s.asked) != 2 || s.asked[0] != s.asked[1] || !strings.HasSuffix(s.asked[1], "a question") {
			t.Errorf("asked %q, %v", s.asked, err)
		}
		once := request(t, t.Context(), http.MethodPost, page, "a question")
		once.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
		s.sign = func(context.Context, []byte) error { t.Error("the wallet is asked for nothing"); return nil }
		_, payment, err := s.payer().Do(once, most)
		if payment != nil || !errors.Is(err, io.ErrUnexpectedEOF) || len(s.proofs) > 1 {
			t.Errorf("%+v, %v", payment, err)
		}
		s.asked = s.asked[:2]
		once = request(t, t.Context(), http.MethodPost, page, "a question")
		once.GetBody = nil
		if _, _, err := s.payer().Do(once, most); err == nil || len(s.asked) != 2 {
			t.Errorf("%v, asked %q", err, s.asked)
		}
	})
}

func TestOffersThatAreNotPaid(t *testing.T) {
	for _, c := range []struct {
		name   string
		offers []map[string]any
		want   error
		words  string
	}{
		{"none", []map[string]any{}, x402.ErrNoOffer, "empty"},
		{"dear", []map[string]any{offer("maxAmountRequired", "0.101 HBD")},
			x402.ErrTerms, "0.101 HBD, and at most 0.100 HBD"},
		{"to another", []map[string]any{offer("payTo", "mallory")}, x402.ErrTerms, "mallory"},
		{"no account", []map[string]any{offer("payTo", "0x209693Bc")}, x402.ErrNoOffer, "no account name"},
		{"another asset", []map[string]any{offer("maxAmountRequired", "0.050 HIVE")}, x402.ErrNoOffer, "another asset"},
		{"asset beside", []map[string]any{offer("asset", "HIVE")}, x402.ErrNoOffer, "another asset"},
		{"no amount", []map[string]any{offer("maxAmountRequired", "5e1 HBD")}, x402.ErrNoOffer, "no amount"},
		{"another spelling", []map[string]any{offer("maxAmountRequired", "0.05 HBD")}, x402.ErrNoOffer, "no amount"},
		{"nothing", []map[string]any{offer("maxAmountRequired", "0.000 HBD")}, x402.ErrNoOffer, "no amount"},
		{"less than nothing", []map[string]any{offer("maxAmountRequired", "-0.050 HBD")}, x402.ErrNoOffer, "no amount"},
		{"a number", []map[string]any{offer("maxAmountRequired", 50)}, x402.ErrNoOffer, "cannot be read"},
		{"another scheme", []map[string]any{offer("scheme", "upto")}, x402.ErrNoOffer, `"upto"`},
		{"another network", []map[string]any{offer("network", "eip155:1")}, x402.ErrNoOffer, `"eip155:1"`},
		{"another host", []map[string]any{offer("resource", "https://evil.example/premium?day=1")},
			x402.ErrTerms, "evil"},
		{"another port", []map[string]any{offer("resource", "https://api.example:8443/premium?day=1")},
			x402.ErrTerms, "8443"},
		{"another scheme of URL", []map[string]any{offer("resource", "http://api.example/premium?day=1")},
			x402.ErrTerms, "http"},
		{"another path", []map[string]any{offer("resource", "/premium/all?day=1")}, x402.ErrTerms, "/premium/all"},
		{"another query", []map[string]any{offer("resource", "/premium?day=2")}, x402.ErrTerms, "day=2"},
		{"a host without scheme", []map[string]any{offer("resource", "//api.example/premium?day=1")},
			x402.ErrTerms, "api.example"},
		{"a relative path", []map[string]any{offer("resource", "premium?day=1")}, x402.ErrTerms, "Terms.Resource"},
		{"no resource", []map[string]any{offer("resource", "")}, x402.ErrTerms, "Terms.Resource"},
		{"a list as resource", []map[string]any{offer("resource", []string{page})}, x402.ErrNoOffer, "resource"},
		{"over", []map[string]any{offer("validBefore", "2000-01-01T00:00:00Z")}, x402.ErrTerms, "ends at"},
		{"nearly over", []map[string]any{offer("validBefore", "2000-01-01T00:00:04Z")}, x402.ErrTerms, "ends at"},
		{"no time", []map[string]any{offer("validBefore", "tomorrow")}, x402.ErrNoOffer, "validBefore"},
		{"endless", []map[string]any{offer("maxTimeoutSeconds", int64(1)<<62, "validBefore", "")},
			x402.ErrNoOffer, "Seconds"},
		{"the cheapest is for another",
			[]map[string]any{offer(), offer("maxAmountRequired", "0.049 HBD", "payTo", "mallory")},
			x402.ErrTerms, "mallory"},
		{"many", make([]map[string]any, 65), x402.ErrNoOffer, "65 offers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inShop(t, func(t *testing.T, s *shop) {
				if s.offers = c.offers; len(c.offers) == 65 {
					for i := range s.offers {
						s.offers[i] = offer()
					}
				}
				_, payment, err := s.buy(s.payer())
				s.unpaid(payment, err, c.want, c.words)
				if len(s.asked) != 1 {
					t.Errorf("asked %q", s.asked)
				}
			})
		})
	}
}

func TestAnswersWithoutOffers(t *testing.T) {
	for name, change := range map[string]func(h http.Header) (body []byte){
		"no base64":   func(h http.Header) []byte { h.Set("X-Payment", "{}"); return nil },
		"no JSON":     func(h http.Header) []byte { h.Set("X-Payment", "aGVsbG8="); return nil },
		"long header": func(h http.Header) []byte { h.Set("X-Payment", strings.Repeat("A", 1<<17)); return nil },
		"twice":       func(h http.Header) []byte { h.Set("X-Payment", "eyJhIjoxLCJhIjoxfQ=="); return nil },
		"version 3":   func(h http.Header) []byte { h.Set("X-Payment", "eyJ4NDAyVmVyc2lvbiI6M30="); return nil },
		"nothing":     func(h http.Header) []byte { h.Del("X-Payment"); return nil },
		"long offers": func(h http.Header) []byte {
			h.Set("X-Payment", base64.StdEncoding.EncodeToString(encoded(t, longOffers())))
			return nil
		},
		"long body": func(h http.Header) []byte { h.Del("X-Payment"); return encoded(t, longOffers()) },
		"of version 3": func(h http.Header) []byte {
			h.Del("X-Payment")
			return encoded(t, map[string]any{"x402Version": 3, "accepts": []any{offer()}})
		},
		"endless body": func(h http.Header) []byte { h.Del("X-Payment"); return make([]byte, 1<<17) },
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, func(t *testing.T, s *shop) {
				s.change = change
				_, payment, err := s.buy(s.payer())
				s.unpaid(payment, err, x402.ErrNoOffer, "")
			})
		})
	}
}

// longOffers can be paid, and are longer than what is read.
func longOffers() map[string]any {
	return map[string]any{"x402Version": 1, "accepts": []any{offer("description", strings.Repeat("a", 1<<17),
		"validBefore", "2000-01-01T00:05:00Z")}}
}

// Offers are read up to a number, and up to so many bytes.
func TestEdgesOfOffers(t *testing.T) {
	const most = 64 << 10
	for _, n := range []int{63, 64, 65} {
		inShop(t, func(t *testing.T, s *shop) {
			for range n {
				s.offers = append(s.offers, offer("description", ""))
			}
			if _, _, err := s.buy(s.payer()); errors.Is(err, x402.ErrNoOffer) != (n > 64) {
				t.Errorf("%d offers: %v", n, err)
			}
		})
	}
	for _, size := range []int{most - 1, most, most + 1} {
		inShop(t, func(t *testing.T, s *shop) {
			s.change = func(h http.Header) []byte {
				h.Del("X-Payment")
				of := func(filler string) []byte {
					return encoded(t, map[string]any{"x402Version": 1, "accepts": []any{offer("description", filler)}})
				}
				return of(strings.Repeat("a", size-len(of(""))))
			}
			if _, _, err := s.buy(s.payer()); errors.Is(err, x402.ErrNoOffer) != (size > most) {
				t.Errorf("a body of %d bytes: %v", size, err)
			}
		})
	}
}

// An offer must say what is sold, also where that is the first page.
func TestResourceOfTheFirstPage(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		buy := func(resource string) error {
			s.offers = []map[string]any{offer("resource", resource)}
			_, _, err := s.payer().Do(request(t, t.Context(), http.MethodGet, "https://api.example", ""), most)
			return err
		}
		if err := buy(""); !errors.Is(err, x402.ErrTerms) {
			t.Error(err)
		}
		for _, resource := range []string{"/", "https://api.example", "https://API.example/"} {
			if err := buy(resource); err != nil {
				t.Error(err)
			}
		}
	})
}

// Nodes that say nothing keep nobody waiting for ever.
func TestNodesThatFail(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.cut = true
		down := errors.New("node down")
		p, err := x402.New(x402.Options{Account: "alice", Wallet: s, HTTP: &http.Client{Transport: s},
			Node: shown{s, func(context.Context, hive.TxID) ([]byte, error) { return nil, down }}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, payment, err := s.buy(p)
		if !errors.Is(err, x402.ErrLost) || !errors.Is(err, down) || payment.Fate != x402.Unknown ||
			time.Since(begun) > 5*time.Minute {
			t.Errorf("after %s: %+v, %v", time.Since(begun), payment, err)
		}
	})
}

// Of several offers that can be paid the cheapest is; others are passed over.
func TestChoosesTheCheapest(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.offers = []map[string]any{offer("network", "eip155:1", "maxAmountRequired", "1"),
			offer("maxAmountRequired", "0.090 HBD"), offer(), offer("payTo", "mallory")}
		if _, payment, err := s.buy(s.payer()); err != nil || payment.Offer.To != "shop" {
			t.Errorf("%+v, %v", payment, err)
		}
	})
}

func TestResourceByAnotherName(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.offers = []map[string]any{offer("resource", "/inner/premium")}
		terms := most
		terms.Resource = "/inner/premium"
		if _, _, err := s.payer().Do(request(t, t.Context(), http.MethodGet, page, ""), terms); err != nil {
			t.Error(err)
		}
	})
}

// A proof goes to the host that was asked, and nowhere else.
func TestNoProofAcrossARedirect(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.redirect = map[bool]string{true: "https://evil.example/premium"}
		response, payment, err := s.payer().Do(request(t, t.Context(), http.MethodGet, page, ""), most)
		if err != nil || response.StatusCode != http.StatusTemporaryRedirect || !payment.Sent ||
			payment.Receipt != nil {
			t.Errorf("%+v, %+v, %v", response, payment, err)
		}
		for _, asked := range s.asked {
			if !strings.Contains(asked, "api.example") {
				t.Errorf("asked %q", asked)
			}
		}
	})
}

// After an answer that is lost, nothing is paid again: the chain says what became of it.
func TestLostAnswers(t *testing.T) {
	for _, idle := range []bool{false, true} {
		inShop(t, func(t *testing.T, s *shop) {
			s.cut, s.idle = true, idle
			want, longest := x402.OnChain, 10*time.Second
			if idle {
				want, longest = x402.Never, 3*time.Minute
			}
			begun := time.Now()
			_, payment, err := s.buy(s.payer())
			if !errors.Is(err, x402.ErrLost) || !errors.Is(err, errCut) || payment.Fate != want || !payment.Sent {
				t.Errorf("%+v, %v", payment, err)
			}
			if s.signed != 1 || time.Since(begun) > longest {
				t.Errorf("signed %d in %s", s.signed, time.Since(begun))
			}
		})
	}
}

// Who cannot wait looks later.
func TestLooksLater(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.cut, s.idle = true, true
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		p := s.payer()
		_, payment, err := p.Do(request(t, ctx, http.MethodGet, page, ""), most)
		if !errors.Is(err, x402.ErrLost) || !errors.Is(err, context.DeadlineExceeded) || payment.Fate != x402.Unknown {
			t.Fatalf("%+v, %v", payment, err)
		}
		if time.Sleep(90 * time.Second); p.Look(t.Context(), payment) != nil || payment.Fate != x402.Unknown {
			t.Errorf("%s right after its end: another branch may have it", payment.Fate)
		}
		if time.Sleep(time.Minute); p.Look(t.Context(), payment) != nil || payment.Fate != x402.Never {
			t.Errorf("it is %s", payment.Fate)
		}
	})
}

// The word of a node that a transfer is there is checked.
func TestNodesThatLie(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		first, second := s.payer(), s.payer()
		_, payment, err := s.buy(first)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = s.buy(second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		other, _ := s.Transaction(t.Context(), s.settled[1])
		lying, err := x402.New(x402.Options{Account: "alice", Wallet: s,
			Node: shown{s, func(context.Context, hive.TxID) ([]byte, error) { return other, nil }}})
		if err != nil {
			t.Fatal(err)
		}
		err = lying.Look(t.Context(), payment)
		if !errors.Is(err, client.ErrBadAnswer) || payment.Fate != x402.Unknown {
			t.Errorf("%s, %v", payment.Fate, err)
		}
	})
}

func TestAskedAgain(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.status = http.StatusPaymentRequired
		s.receipt = func(string) map[string]any { return nil }
		_, payment, err := s.buy(s.payer())
		if !errors.Is(err, x402.ErrAskedAgain) || !strings.Contains(err.Error(), `"nonce spent"`) || !payment.Sent ||
			s.signed != 1 || len(s.proofs) != 1 || payment.Fate != x402.Unknown {
			t.Errorf("%+v, %v", payment, err)
		}
		// It is on the chain by the time of the answer.
		s.waits = 6 * time.Second
		if _, payment, err = s.buy(s.payer()); !errors.Is(err, x402.ErrAskedAgain) || payment.Fate != x402.OnChain {
			t.Errorf("%+v, %v", payment, err)
		}
	})
}

// A receipt is the server's word, and is told apart from what is so.
func TestReceipts(t *testing.T) {
	for name, c := range map[string]struct {
		receipt map[string]any
		want    string
	}{
		"none":            {nil, "<nil>"},
		"another":         {map[string]any{"success": true, "txId": strings.Repeat("ab", 20)}, "&{true false }"},
		"refused":         {map[string]any{"success": false, "errorReason": "too late"}, "&{false false too late}"},
		"of another form": {map[string]any{"success": "yes"}, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, func(t *testing.T, s *shop) {
				s.idle = true
				s.receipt = func(string) map[string]any { return c.receipt }
				_, payment, err := s.buy(s.payer())
				if err != nil || fmt.Sprint(payment.Receipt) != c.want {
					t.Errorf("%+v, %v", payment.Receipt, err)
				}
			})
		})
	}
}

// A wallet that asks a person may answer when the transfer is nearly over.
func TestSignaturesThatAreLate(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.sign = func(context.Context, []byte) error { time.Sleep(57 * time.Second); return nil }
		_, payment, err := s.buy(s.payer())
		if !errors.Is(err, x402.ErrLate) || payment.Sent || len(s.proofs) > 0 {
			t.Errorf("%+v, %v", payment, err)
		}
	})
}

// Where the wallet's answer is lost, it is asked for the same transfer again, in the same call and
// in the next one that is for the same: it counts that once. What is for something else, or is
// nearly over, or was answered, is another transfer.
func TestLostAnswersOfTheWallet(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		var asked [][]byte
		fail := func(times int, err error) {
			asked = nil
			s.sign = func(_ context.Context, tx []byte) error {
				if asked = append(asked, tx); len(asked) <= times {
					return err
				}
				return nil
			}
		}
		same := func(n int) {
			t.Helper()
			for _, tx := range asked {
				if !bytes.Equal(tx, asked[0]) {
					t.Errorf("another transfer: %s, first %s", tx, asked[0])
				}
			}
			if len(asked) != n {
				t.Errorf("the wallet was asked %d times, want %d", len(asked), n)
			}
		}
		p := s.payer()
		for _, c := range []struct {
			err   error
			times int // that the wallet is asked if it stays so
		}{
			{client.ErrLost, 3}, {client.ErrNobody, 3}, {client.ErrBadAnswer, 3}, {&client.RefusedError{}, 3},
			{&client.FailedError{Text: "internal error"}, 3},
			{&client.RefusedError{Verified: true}, 1}, {client.ErrNoExact, 1},
		} {
			fail(2, c.err) // it answers the third time
			if _, payment, err := s.buy(p); (err == nil) != (c.times == 3) || (payment != nil) != (err == nil) {
				t.Errorf("%v: %+v, %v", c.err, payment, err)
			}
			same(c.times)
			fail(100, c.err)
			_, payment, err := s.buy(p)
			if payment != nil || !errors.Is(err, c.err) || errors.Is(err, x402.ErrUnanswered) != (c.times == 3) {
				t.Errorf("%v: %+v, %v", c.err, payment, err)
			}
			same(c.times)
			first := asked[0]
			fail(0, nil)
			if _, payment, err = s.buy(p); err != nil || payment == nil {
				t.Errorf("the call after %v: %+v, %v", c.err, payment, err)
			}
			if again := bytes.Equal(asked[0], first); again != (c.times == 3) {
				t.Errorf("the call after %v asks for the same transfer: %t", c.err, again)
			}
			fail(0, nil)
			if _, _, err = s.buy(p); err != nil || bytes.Equal(asked[0], first) {
				t.Errorf("what was answered is used again, %v", err)
			}
		}

		for name, change := range map[string]func(){
			"nearly over":   func() { time.Sleep(54 * time.Second) },
			"another payer": func() { p = s.payer() },
		} {
			s.offers, p = nil, s.payer()
			fail(100, client.ErrLost)
			_, _, _ = s.buy(p)
			first := asked[0]
			change()
			fail(0, nil)
			if _, payment, err := s.buy(p); err != nil || payment == nil || bytes.Equal(asked[0], first) {
				t.Errorf("%s: %+v, %v", name, payment, err)
			}
		}

		// A server that shortens its offer would have a second transfer counted beside the first.
		s.offers, p = nil, s.payer()
		fail(100, client.ErrLost)
		_, _, _ = s.buy(p)
		first := asked[0]
		s.offers = []map[string]any{offer("validBefore", time.Now().Add(30*time.Second).UTC().Format(time.RFC3339))}
		fail(0, nil)
		if _, payment, err := s.buy(p); payment != nil || !errors.Is(err, x402.ErrTerms) || len(asked) > 0 {
			t.Errorf("a shorter offer: %+v, %v, asked for %d", payment, err, len(asked))
		}
		s.offers = nil
		if _, _, err := s.buy(p); err != nil || !bytes.Equal(asked[0], first) {
			t.Errorf("after a shorter offer: %v, the same transfer: %t", err, bytes.Equal(asked[0], first))
		}

		s.offers, p = nil, s.payer()
		fail(100, client.ErrLost)
		_, _, _ = s.buy(p)
		first = asked[0]
		for name, of := range map[string]map[string]any{
			"a higher amount": offer("maxAmountRequired", "0.051 HBD"), "another receiver": offer("payTo", "mallory"),
			"the same": offer(),
		} {
			s.offers = []map[string]any{of}
			fail(100, client.ErrLost)
			terms := x402.Terms{Most: most.Most, To: []hive.AccountName{"shop", "mallory"}}
			_, _, err := p.Do(request(t, t.Context(), http.MethodGet, page, ""), terms)
			again := bytes.Equal(asked[0], first)
			if !errors.Is(err, x402.ErrUnanswered) || again != (name == "the same") {
				t.Errorf("%s: the same transfer: %t, %v", name, again, err)
			}
		}
	})
}

// Of two calls at once one goes on with a transfer whose answer was lost. A caller who gave up
// finds it, too.
func TestLostAnswersOfTheWalletAndTwoCalls(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		p, ctx := s.payer(), t.Context()
		ask := func(ctx context.Context) error {
			_, _, err := p.Do(request(t, ctx, http.MethodGet, page, ""), most)
			return err
		}
		var mu sync.Mutex
		asked := map[string]int{}
		waits := func(ctx context.Context, tx []byte) error {
			mu.Lock()
			asked[string(tx)]++
			mu.Unlock()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return nil
			}
		}
		s.sign = waits
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := ask(short); !errors.Is(err, x402.ErrUnanswered) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		s.idle = true
		var calls sync.WaitGroup
		for n := range 2 {
			calls.Go(func() {
				time.Sleep(time.Duration(n) * time.Second)
				if err := ask(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if got := slices.Sorted(maps.Values(asked)); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("the wallet was asked for transfers %v times", got)
		}
	})
}

func TestWalletsThatRefuse(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.sign = func(context.Context, []byte) error { return &client.RefusedError{Verified: true} }
		_, payment, err := s.buy(s.payer())
		s.unpaid(payment, err, client.ErrRefused, "0.050 HBD to shop")
	})
}

// The transfer ends with the offer.
func TestEndsWithTheOffer(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		s.offers = []map[string]any{offer("validBefore", time.Now().Add(20*time.Second).UTC().Format(time.RFC3339))}
		if _, payment, err := s.buy(s.payer()); err != nil || time.Until(payment.Expires) > 20*time.Second {
			t.Errorf("%+v, %v", payment, err)
		}
	})
}

func TestRequestsThatAreNotSent(t *testing.T) {
	inShop(t, func(t *testing.T, s *shop) {
		p := s.payer()
		with := func(change func(r *http.Request)) *http.Request {
			r := request(t, t.Context(), http.MethodGet, page, "")
			change(r)
			return r
		}
		whole := with(func(*http.Request) {})
		for name, c := range map[string]struct {
			r     *http.Request
			terms x402.Terms
		}{
			"plaintext":         {request(t, t.Context(), http.MethodGet, "http://api.example/premium", ""), most},
			"another scheme":    {request(t, t.Context(), http.MethodGet, "ftp://localhost/premium", ""), most},
			"no host":           {request(t, t.Context(), http.MethodGet, "/premium", ""), most},
			"two hosts":         {with(func(r *http.Request) { r.Host = "evil.example" }), most},
			"a proof":           {with(func(r *http.Request) { r.Header.Set("x-payment", "a") }), most},
			"another proof":     {with(func(r *http.Request) { r.Header.Set("payment-signature", "a") }), most},
			"no maximum":        {whole, x402.Terms{To: most.To}},
			"shares":            {whole, x402.Terms{Most: hive.Asset{Amount: 1, Symbol: hive.VESTS}, To: most.To}},
			"nobody to pay":     {whole, x402.Terms{Most: most.Most}},
			"less than nothing": {whole, x402.Terms{Most: hive.Asset{Amount: -1, Symbol: hive.HBD}, To: most.To}},
		} {
			if _, payment, err := p.Do(c.r, c.terms); err == nil || payment != nil || len(s.asked) > 0 {
				t.Errorf("%s: %v, %v, asked %q", name, payment, err, s.asked)
			}
		}
	})
}

// A server on this machine may be asked without TLS.
func TestPlaintextToThisMachine(t *testing.T) {
	free := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "free")
	}))
	defer free.Close()
	s := newShop(t)
	p, err := x402.New(x402.Options{Account: "alice", Wallet: s, Node: s})
	if err != nil {
		t.Fatal(err)
	}
	response, _, err := p.Do(request(t, t.Context(), http.MethodGet, free.URL, ""), most)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

func TestOptions(t *testing.T) {
	s := newShop(t)
	whole := x402.Options{Account: "alice", Wallet: s, Node: s}
	if _, err := x402.New(whole); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(o *x402.Options){
		"no account": func(o *x402.Options) { o.Account = "" },
		"no wallet":  func(o *x402.Options) { o.Wallet = nil },
		"no node":    func(o *x402.Options) { o.Node = nil },
		"no name":    func(o *x402.Options) { o.Network = &hive.Network{} },
	} {
		o := whole
		change(&o)
		if _, err := x402.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
