package gateway

// ReadPlain is readPlain.
var ReadPlain = readPlain
