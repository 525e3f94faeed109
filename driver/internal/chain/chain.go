// Package chain reads chains of qcow2 files block by block, and compares them, without QEMU.
//
// It guarantees that a file is never asked for what another holds above it, and that two
// chains are said to be equal only where they share the file or hold nothing. It does not keep
// files from being changed meanwhile.
package chain

import (
	"context"
	"crypto/sha256"
	"math"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

// Layer is a file of a chain. Two with the same ID are the same bytes.
type Layer struct {
	ID string
	*qcow2.Reader
}

// Chain is what a disk is made of, the top first. It is for one goroutine at a time.
type Chain []Layer

// Read returns a block of the disk. What layers below have beyond its end is gone.
func (c Chain) Read(index int64) ([]byte, error) {
	data, held := make([]byte, block.BlockBytes), make([]bool, block.BlockBytes/512)
	size := c[0].Bytes() - index*block.BlockBytes
	if size <= 0 {
		return data, nil
	}
	within := min(size, block.BlockBytes)
	for _, l := range c {
		if err := l.Fill(data[:within], index*block.BlockBytes, held); err != nil {
			return nil, err
		}
	}
	return data, nil
}

const none = math.MaxInt64

// next returns the first block, from the given one on, that one of the layers has a part of,
// and none if there is none.
func (c Chain) next(from int64) (int64, error) {
	first := int64(none)
	for _, l := range c {
		at, err := l.Next(from * block.BlockBytes)
		if err != nil {
			return 0, err
		}
		if at < l.Bytes() {
			first = min(first, max(from, at/block.BlockBytes))
		}
	}
	return first, nil
}

// holds reports whether a layer has a part of the block.
func (c Chain) holds(index int64) (bool, error) {
	if len(c) == 0 || index*block.BlockBytes >= c[0].Bytes() {
		return false, nil
	}
	at, err := c.next(index)
	return at == index, err
}

// apart are the layers of each chain that are not the other's too.
func apart(a, b Chain) Chain {
	n, m := len(a), len(b)
	for n > 0 && m > 0 && a[n-1].ID == b[m-1].ID {
		n, m = n-1, m-1
	}
	return append(a[:n:n], b[:m]...)
}

// Changed returns which blocks may differ between two chains, as block.Direct has it: it goes
// by which layers they share, and what the others hold.
func Changed(ctx context.Context, was, is Chain, from int64, limit int) (out []block.Change, err error) {
	differ := apart(was, is)
	for at := max(0, from); len(out) < limit; at++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if at, err = differ.next(at); err != nil || at == none {
			return out, err
		}
		c := block.Change{Index: at}
		if c.First, err = was.holds(at); err == nil {
			c.Second, err = is.holds(at)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Count counts the blocks of the top layer, and sums them up if it is to.
func (c Chain) Count(ctx context.Context, out *block.Filled, sum bool) error {
	top, h := c[:1], sha256.New()
	for at := int64(0); ; at++ {
		var err error
		if at, err = top.next(at); err != nil || at == none {
			if sum {
				h.Sum(out.Sum[:0])
			}
			return err
		}
		out.Blocks++
		if !sum {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := top.Read(at)
		if err != nil {
			return err
		}
		one := sha256.Sum256(data)
		h.Write(one[:])
	}
}
