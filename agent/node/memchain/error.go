package memchain

import (
	"fmt"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// Failure is an error as a node reports it (tx §5.4).
type Failure struct {
	Code   int
	Name   string
	Title  string // what stands before the sentence: "missing required posting authority"
	Format string // the sentence with ${names}

	values  [][2]string
	outer   int    // 0: -32003
	bare    bool   // without data, as front ends and the JSON-RPC layer do
	message string // empty: title and sentence
}

func (f *Failure) sentence() string {
	text := f.Format
	for _, v := range f.values {
		text = strings.ReplaceAll(text, "${"+v[0]+"}", v[1])
	}
	return text
}

// AppendJSON appends the error object.
func (f *Failure) AppendJSON(dst []byte) []byte {
	outer := f.outer
	if outer == 0 {
		outer = -32003
	}
	message := f.message
	if message == "" {
		message = f.Title + ":" + f.sentence()
	}
	dst = strconv.AppendInt(append(dst, `{"code":`...), int64(outer), 10)
	dst = hive.AppendString(append(dst, `,"message":`...), message)
	if f.bare {
		return append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `,"data":{"code":`...), int64(f.Code), 10)
	dst = hive.AppendString(append(dst, `,"name":`...), f.Name)
	dst = hive.AppendString(append(dst, `,"message":`...), f.Title)
	dst = append(dst, `,"stack":[{"context":{"level":"error","file":"memchain"},"format":`...)
	dst = hive.AppendString(dst, f.Format)
	dst = append(dst, `,"data":{`...)
	for i, v := range f.values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(hive.AppendString(dst, v[0]), ':')
		dst = hive.AppendString(dst, v[1])
	}
	return append(dst, `}}]}}`...)
}

func asserted(condition, format string, values ...[2]string) *Failure {
	title := "Assert Exception"
	if condition != "" {
		title += ":" + condition
	}
	f := &Failure{Code: 10, Name: "assert_exception", Title: "Assert Exception", Format: format, values: values}
	f.message = title + ": " + f.sentence()
	return f
}

// bothPackings is glued to the end of authority errors, as both packings were tried.
const bothPackings = " Transaction failed to validate using both new (hf26) and legacy serialization"

func missing(role hive.Role, name hive.AccountName) *Failure {
	word := map[hive.Role]string{hive.Posting: "Posting", hive.Active: "Active", hive.Owner: "Owner"}[role]
	code := map[hive.Role]int{hive.Active: 3010000, hive.Owner: 3020000, hive.Posting: 3030000}[role]
	f := &Failure{
		Code: code, Name: fmt.Sprintf("tx_missing_%s_auth", role),
		Title:  fmt.Sprintf("missing required %s authority", role),
		Format: "Missing " + word + " Authority ${id}", values: [][2]string{{"id", string(name)}},
	}
	f.message = f.Title + ":" + f.sentence() + bothPackings
	return f
}

func parseError(err error) *Failure {
	return &Failure{Code: 4, Name: "parse_error_exception", Title: "Parse Error", Format: "Couldn't parse: ${what}",
		values: [][2]string{{"what", err.Error()}}}
}

func invalidParameters() *Failure {
	return &Failure{outer: -32002, bare: true, message: "Invalid parameters"}
}
