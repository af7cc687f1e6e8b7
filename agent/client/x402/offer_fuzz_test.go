package x402

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"pksa/protocol/hive"
)

// Whatever a server says, an offer that is taken is within the terms, and its proof can be written
// and names nothing else.
func FuzzOffers(f *testing.F) {
	f.Add(false, []byte(`{"x402Version":1,"accepts":[{"scheme":"exact","network":"hive:mainnet","payTo":"shop",`+
		`"maxAmountRequired":"0.050 HBD","resource":"/page","validBefore":"2030-01-01T00:00:00Z"}]}`))
	f.Add(true, []byte(`{"x402Version":2,"resource":{"url":"https://shop.example/page"},"accepts":[{"scheme":"exact",`+
		`"network":"hive:mainnet","payTo":"shop","amount":"0.050 HBD","asset":"HBD","maxTimeoutSeconds":60}]}`))
	p := &Payer{o: Options{Network: hive.Mainnet, NetworkName: "hive:mainnet"}}
	terms := Terms{Most: hive.Asset{Amount: 100, Symbol: hive.HBD}, To: []hive.AccountName{"shop"}}
	address, err := url.Parse("https://shop.example/page")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header bool, text []byte) {
		response := &http.Response{Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text))}
		if header {
			response.Header.Set(headerOffers2, base64.StdEncoding.EncodeToString(text))
		}
		r, proof, err := offered(response)
		if err != nil {
			return
		}
		o, err := p.choose(r, proof, hive.HBD, time.Unix(1_700_000_000, 0))
		if err != nil || terms.judge(&o, address) != nil {
			return
		}
		if o.Amount.Symbol != hive.HBD || o.Amount.Amount <= 0 || o.Amount.Amount > 100 || o.To != "shop" ||
			!slices.Contains([]string{headerProof1, headerProof2}, o.proof) || o.amount != o.Amount.String() {
			t.Fatalf("taken: %+v", o)
		}
		value, err := o.prove("hive:mainnet", []byte(`{"ref_block_num":1}`), "00112233")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			Version int `json:"x402Version"`
			Payload struct {
				Nonce string `json:"nonce"`
			} `json:"payload"`
		}
		err = json.Unmarshal(raw, &back)
		if err != nil || back.Version != o.Version || back.Payload.Nonce != "00112233" {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}
