package keystore_test

// unixCarriers are none here.
var unixCarriers map[string]carry
