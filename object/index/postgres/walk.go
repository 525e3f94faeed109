package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/vauban-cloud/vauban/object/index"
)

// A page grows while the walk goes on, and is small again behind a jump.
const (
	firstPage = 32
	lastPage  = 1024
)

// iterator walks over pages of rows.
type iterator struct {
	in       querier
	from, to []byte
	page     []row
	at       int // the row of the page that it stands on
	size     int // of the page as it was asked for; less came if there is no more
	err      error
}

type row struct{ key, value []byte }

func (i *iterator) Valid() bool   { return i.err == nil && i.at < len(i.page) }
func (i *iterator) Key() []byte   { return i.page[i.at].key }
func (i *iterator) Value() []byte { return i.page[i.at].value }
func (i *iterator) Close() error  { return i.err }

func (i *iterator) SeekGE(to []byte) bool {
	if bytes.Compare(to, i.from) < 0 {
		to = i.from
	}
	if n := len(i.page); n > 0 && bytes.Compare(i.page[0].key, to) <= 0 && bytes.Compare(to, i.page[n-1].key) <= 0 {
		i.at, _ = slices.BinarySearchFunc(i.page, to, func(r row, key []byte) int { return bytes.Compare(r.key, key) })
		return true
	}
	return i.fetch(to, firstPage)
}

func (i *iterator) Next() bool {
	if !i.Valid() {
		return false
	}
	if i.at++; i.at == len(i.page) && i.at == i.size {
		return i.fetch(append(i.page[i.at-1].key, 0), min(4*i.size, lastPage))
	}
	return i.Valid()
}

// fetch reads a page, and stands on its first row.
func (i *iterator) fetch(from []byte, size int) bool {
	if i.err != nil {
		return false
	}
	i.size = size
	i.err = i.in.read(func(ctx context.Context, c *pgx.Conn) error {
		i.page, i.at = i.page[:0], 0
		rows, err := c.Query(ctx, "SELECT key, value, numbers FROM vauban_index WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3", from, i.to, size)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r row
			var numbers index.Counters
			if err := rows.Scan(&r.key, &r.value, (*[]int64)(&numbers)); err != nil {
				return err
			}
			if numbers != nil {
				r.value = numbers.Append(nil)
			}
			i.page = append(i.page, r)
		}
		return rows.Err()
	})
	if i.err != nil {
		i.err = fmt.Errorf("read the object index: %w", i.err)
	}
	return i.Valid()
}
