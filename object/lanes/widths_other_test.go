//go:build !amd64

package lanes

func widths() map[string]func(state *[4][width]uint32, data *[width]*byte, blocks int) { return nil }
