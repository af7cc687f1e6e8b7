package secret

import (
	"fmt"
	"io"
	"reflect"
)

// Format writes a struct that is secret in part. It is for the Format method of the struct, which
// makes it safe behind a pointer too: fmt follows a pointer that does not fit the verb, and calls
// no methods of the fields there. %v, %+v and %#v write what they usually do; all other verbs write
// what %+v does, so that the members which are not secret stay readable. Unexported fields are left
// out, because fmt would call none of their methods.
func Format(f fmt.State, verb rune, partly any) {
	of := reflect.ValueOf(partly)
	named, format, between := verb != 'v' || f.Flag('+'), "%+v", " "
	switch {
	case verb == 'v' && f.Flag('#'):
		named, format, between = true, "%#v", ", "
		_, _ = io.WriteString(f, of.Type().String())
	case !named:
		format = "%v"
	}
	_, _ = io.WriteString(f, "{")
	first := true
	for field, value := range of.Fields() {
		if !field.IsExported() {
			continue
		}
		if !first {
			_, _ = io.WriteString(f, between)
		}
		first = false
		if named {
			_, _ = io.WriteString(f, field.Name+":")
		}
		fmt.Fprintf(f, format, value.Interface())
	}
	_, _ = io.WriteString(f, "}")
}
