// Package conformance holds Vauban's S3 against the black-box tests of others. It
// guarantees that every test of theirs passes, or is in apart.txt with the reason; it
// says nothing of what their tests do not ask.
package conformance
