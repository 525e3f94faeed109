//go:build linux

package qemu_test

func supervise(string) { panic("not yet") }
