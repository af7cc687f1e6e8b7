package hive_test

import (
	"strings"
	"testing"

	"pksa/protocol/hive"
)

func TestSendableDepth(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		ok   bool
	}{
		{"89 open", strings.Repeat("{", 89), true},
		{"90 open", strings.Repeat("{", 90), false},
		{"brackets and braces together", strings.Repeat("{[", 45), false},
		{"open for a moment", strings.Repeat("[", 90) + strings.Repeat("]", 90), false},
		{"many, closed each time", strings.Repeat("{[]}", 500), true},
		{"closed before", strings.Repeat("}", 100) + strings.Repeat("{", 90), false},
	} {
		err := hive.CheckSendable(memoTransaction(t, c.text))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The node counts over the whole request, so texts add up.
func TestSendableDepthOverOperations(t *testing.T) {
	one := memoTransaction(t, strings.Repeat("{", 50)).Operations[0]
	closing := memoTransaction(t, strings.Repeat("}", 50)).Operations[0]
	if err := hive.CheckSendable(transactionOf(one, one)); err == nil {
		t.Error("a hundred braces in two texts would be sent")
	}
	if err := hive.CheckSendable(transactionOf(one, closing, one)); err != nil {
		t.Error(err)
	}
}

func TestSendableNamesTheField(t *testing.T) {
	bad := parseOp(t, `["comment",{"parent_author":"","parent_permlink":"p","author":"alice","permlink":"p",`+
		`"title":"a\u0008b","body":"b","json_metadata":""}]`)
	good := memoTransaction(t, "tab\tand line\r\n\u007f\u0085").Operations[0]
	err := hive.CheckSendable(transactionOf(good, bad))
	if err == nil || err.Error() != "comment: title: control character 0x08 cannot be sent to a node" {
		t.Error(err)
	}
	if err := hive.CheckSendable(transactionOf(good)); err != nil {
		t.Error(err)
	}
	inProps := parseOp(t, propsWith(`["key","`+pointA+`"],["\u0001","00"]`))
	if err := hive.CheckSendable(transactionOf(inProps)); err == nil {
		t.Error("a name with a control character would be sent")
	}
}
