package linejson

// ParseUpTo is Parse for at most so many values.
var ParseUpTo = parse
