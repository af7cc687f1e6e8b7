package control

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/secret"
)

// Secret is a secret among the parameters of a call. Only [Encode] and [Call] write it out, as
// base64; formatted, logged, or written as JSON by anybody else it is "[redacted]". Who receives it
// owns the bytes and wipes them.
type Secret = secret.Bytes

// carried is the one way to write secrets out.
var carried = json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, s Secret) error {
	return json.MarshalEncode(enc, []byte(s))
}))

// Encode writes parameters as [Call] does and [Decode] reads them, secrets included.
func Encode(params any) ([]byte, error) { return json.Marshal(params, spans, carried) }
