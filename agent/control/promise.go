package control

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Promise is a result whose method promises more than that it is JSON of the right form. An answer
// that lacks one of the members, or has null or an empty text there, is an error, and so is a list
// with such an element: else a command would report as done what nobody did.
type Promise interface {
	// Promises returns the names of the members. It is called on the zero value.
	Promises() []string
}

// readInto reads the result of an answer.
func (a answer) readInto(result any) error {
	if len(a.Result) == 0 {
		return errors.New("it has no result")
	}
	if result == nil {
		return nil
	}
	if a.Result.Kind() == 'n' {
		return errors.New("its result is null")
	}
	if err := json.Unmarshal(a.Result, result, spans); err != nil {
		return err
	}
	return checkPromise(reflect.TypeOf(result).Elem(), a.Result)
}

var promise = reflect.TypeFor[Promise]()

func checkPromise(t reflect.Type, text jsontext.Value) error {
	if t.Kind() == reflect.Slice && t.Elem().Implements(promise) {
		var items []jsontext.Value
		if err := json.Unmarshal(text, &items); err != nil {
			return err
		}
		for _, item := range items {
			if err := checkPromise(t.Elem(), item); err != nil {
				return err
			}
		}
		return nil
	}
	if !t.Implements(promise) {
		return nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for _, name := range reflect.Zero(t).Interface().(Promise).Promises() {
		if value := string(members[name]); value == "" || value == "null" || value == `""` {
			return fmt.Errorf("it lacks %q", name)
		}
	}
	return nil
}
