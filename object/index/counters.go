package index

import (
	"encoding/binary"
	"errors"
)

// Counters is a row of numbers that batches add to.
type Counters []int64

// Append appends the value of the row to b: the numbers as varints.
func (c Counters) Append(b []byte) []byte {
	for _, n := range c {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// Add adds the value of a row to c, which grows as it must.
func (c *Counters) Add(value []byte) error {
	for k := 0; len(value) > 0; k++ {
		n, size := binary.Varint(value)
		if size <= 0 {
			return errors.New("counters of the index are damaged")
		}
		if value = value[size:]; k == len(*c) {
			*c = append(*c, 0)
		}
		(*c)[k] += n
	}
	return nil
}
