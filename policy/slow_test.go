//go:build !race

package policy_test

const slow = false
