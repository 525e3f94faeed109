package lanes

import (
	"math"

	"golang.org/x/sys/cpu"
)

// blocksAVX512 adds blocks of 64 bytes to eight states; data is where each lane's begin.
//
//go:noescape
func blocksAVX512(state *[4][width]uint32, data *[width]*byte, blocks int, constants *[64]uint32)

// blocksAVX2 is the same on older processors.
//
//go:noescape
func blocksAVX2(state *[4][width]uint32, data *[width]*byte, blocks int, constants *[64]uint32)

// constants are those of RFC 1321, 3.4: table T.
var constants = func() (t [64]uint32) {
	for k := range t {
		t[k] = uint32(math.Abs(math.Sin(float64(k+1))) * (1 << 32))
	}
	return t
}()

// wide returns what this processor has for hashing all lanes at once, or nil.
func wide() func(state *[4][width]uint32, data *[width]*byte, blocks int) {
	switch {
	case cpu.X86.HasAVX512VL && cpu.X86.HasAVX512F:
		return func(state *[4][width]uint32, data *[width]*byte, blocks int) {
			blocksAVX512(state, data, blocks, &constants)
		}
	case cpu.X86.HasAVX2:
		return func(state *[4][width]uint32, data *[width]*byte, blocks int) {
			blocksAVX2(state, data, blocks, &constants)
		}
	}
	return nil
}
