package control

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"pksa/protocol/secret"
)

// Secret is a secret among the parameters of a call. Only [Encode] and [Call] write it out, as
// base64; formatted, logged, or written as JSON by anybody else it is "[redacted]". Who receives it
// owns the bytes and wipes them.
type Secret = secret.Bytes

// carried is the one way to write secrets out. A secret that a person is shown once is a text.
var carried = json.WithMarshalers(json.JoinMarshalers(
	json.MarshalToFunc(func(enc *jsontext.Encoder, s Secret) error { return json.MarshalEncode(enc, []byte(s)) }),
	json.MarshalToFunc(func(enc *jsontext.Encoder, s secret.Text) error {
		return enc.WriteToken(jsontext.String(string(s)))
	}),
))

// Encode writes parameters as [Call] does and [Decode] reads them, and results, secrets included.
func Encode(params any) ([]byte, error) { return json.Marshal(params, spans, carried) }

// Show writes a result for the person who asked for it: as encoding/json does, indented, but with
// the secrets that [Encode] writes. No log calls it.
func Show(w io.Writer, result any) error {
	text, err := json.Marshal(result, jsonv1.DefaultOptionsV1(), carried, jsontext.EscapeForHTML(false),
		jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
