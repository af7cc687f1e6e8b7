package nodetest

import (
	"fmt"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// apiError is an error as a node reports it (tx §5.4).
type apiError struct {
	outer   int // 0: -32003
	code    int
	name    string
	title   string // what stands before the sentence: "missing required posting authority"
	format  string // the sentence with ${names}
	values  [][2]string
	bare    bool // without data, as front ends and the JSON-RPC layer do
	message string
}

func (e *apiError) sentence() string {
	text := e.format
	for _, v := range e.values {
		text = strings.ReplaceAll(text, "${"+v[0]+"}", v[1])
	}
	return text
}

// append writes the error object.
func (e *apiError) append(dst []byte) []byte {
	outer := e.outer
	if outer == 0 {
		outer = -32003
	}
	message := e.message
	if message == "" {
		message = e.title + ":" + e.sentence()
	}
	dst = strconv.AppendInt(append(dst, `{"code":`...), int64(outer), 10)
	dst = hive.AppendString(append(dst, `,"message":`...), message)
	if e.bare {
		return append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `,"data":{"code":`...), int64(e.code), 10)
	dst = hive.AppendString(append(dst, `,"name":`...), e.name)
	dst = hive.AppendString(append(dst, `,"message":`...), e.title)
	dst = append(dst, `,"stack":[{"context":{"level":"error","file":"nodetest"},"format":`...)
	dst = hive.AppendString(dst, e.format)
	dst = append(dst, `,"data":{`...)
	for i, v := range e.values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(hive.AppendString(dst, v[0]), ':')
		dst = hive.AppendString(dst, v[1])
	}
	return append(dst, `}}]}}`...)
}

func asserted(condition, format string, values ...[2]string) *apiError {
	title := "Assert Exception"
	if condition != "" {
		title += ":" + condition
	}
	e := &apiError{code: 10, name: "assert_exception", title: "Assert Exception", format: format, values: values}
	e.message = title + ": " + e.sentence()
	return e
}

// bothPackings is glued to the end of authority errors, as both packings were tried.
const bothPackings = " Transaction failed to validate using both new (hf26) and legacy serialization"

func missing(role hive.Role, name hive.AccountName) *apiError {
	word := map[hive.Role]string{hive.Posting: "Posting", hive.Active: "Active", hive.Owner: "Owner"}[role]
	code := map[hive.Role]int{hive.Active: 3010000, hive.Owner: 3020000, hive.Posting: 3030000}[role]
	e := &apiError{
		code: code, name: fmt.Sprintf("tx_missing_%s_auth", role),
		title:  fmt.Sprintf("missing required %s authority", role),
		format: "Missing " + word + " Authority ${id}", values: [][2]string{{"id", string(name)}},
	}
	e.message = e.title + ":" + e.sentence() + bothPackings
	return e
}

func parseError(err error) *apiError {
	return &apiError{code: 4, name: "parse_error_exception", title: "Parse Error", format: "Couldn't parse: ${what}",
		values: [][2]string{{"what", err.Error()}}}
}
