package lanes

import "golang.org/x/sys/cpu"

type wideFunc = func(state *[4][width]uint32, data *[width]*byte, blocks int)

func widths() map[string]wideFunc {
	all := map[string]wideFunc{}
	if cpu.X86.HasAVX2 {
		all["AVX2"] = func(state *[4][width]uint32, data *[width]*byte, blocks int) {
			blocksAVX2(state, data, blocks, &constants)
		}
	}
	if cpu.X86.HasAVX512VL {
		all["AVX-512"] = func(state *[4][width]uint32, data *[width]*byte, blocks int) {
			blocksAVX512(state, data, blocks, &constants)
		}
	}
	return all
}
