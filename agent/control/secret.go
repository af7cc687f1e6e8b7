package control

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Secret is a secret among the parameters of a call. Only [Encode] and [Call] write it out, as
// base64; formatted, logged, or written as JSON by anybody else it is "[redacted]". Who receives it
// owns the bytes and wipes them.
type Secret []byte

const redacted = "[redacted]"

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON is the JSON string "[redacted]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText is "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// carried is the one way to write secrets out.
var carried = json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, s Secret) error {
	return json.MarshalEncode(enc, []byte(s))
}))

// Encode writes parameters as [Call] does and [Decode] reads them, secrets included.
func Encode(params any) ([]byte, error) { return json.Marshal(params, spans, carried) }
