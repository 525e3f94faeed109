package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

var machines store.Table[Machine]

// Benchmark measures an engine, with documents of the size of a guest's.
func Benchmark(b *testing.B, fresh Fresh) {
	b.Run("commits/1 writer", func(b *testing.B) { commits(b, fresh(b), 1) })
	b.Run("commits/64 writers", func(b *testing.B) { commits(b, fresh(b), 64) })
	b.Run("100k", func(b *testing.B) { manyDocuments(b, fresh(b)) })
}

// commits measures transactions that change one document each.
func commits(b *testing.B, place Place, writers int) {
	s := open(b, place)
	const docs = 1000
	fill(b, s, docs)
	var n atomic.Int64
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	write := func() {
		i := int(n.Add(1))
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			return machines.Modify(tx, NewMachine(i%docs).ID, func(m *Machine) error { m.Starts = i; return nil })
		})
		if err != nil {
			b.Error(err)
		}
	}
	b.ResetTimer()
	if writers == 1 {
		for range b.N {
			write()
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				write()
			}
		})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// fill creates n machines.
func fill(b *testing.B, s *store.Store, n int) {
	for from := 0; from < n; from += 5000 {
		update(b, s, func(tx *store.Tx) error {
			for i := from; i < min(n, from+5000); i++ {
				if err := machines.Create(tx, NewMachine(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func manyDocuments(b *testing.B, place Place) {
	const docs = 100_000
	s, err := Open(context.Background(), place)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s, docs)
	shut(b, s)
	s = nil
	data, err := json.Marshal(NewMachine(docs - 1))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for range b.N {
			s, err := Open(context.Background(), place)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			shut(b, s)
			b.StartTimer()
		}
	})
	b.Run("memory", func(b *testing.B) {
		before := heap()
		s, err := Open(context.Background(), place)
		if err != nil {
			b.Fatal(err)
		}
		after := heap()
		values := make([]*Machine, 0, docs) // the bare documents, decoded as the store does it
		for m := range machines.All(s.View()) {
			again := new(Machine)
			data, err := json.Marshal(m)
			if err == nil {
				err = json.Unmarshal(data, again)
			}
			if err != nil {
				b.Fatal(err)
			}
			values = append(values, again)
		}
		bare := heap() - after
		runtime.KeepAlive(values)
		b.ReportMetric(float64(len(data)), "JSON-B/doc")
		b.ReportMetric((after-before)/docs, "heap-B/doc")
		b.ReportMetric((after-before-bare)/docs, "overhead-B/doc")
		b.ReportMetric(0, "ns/op")
		shut(b, s)
	})
	s = open(b, place)
	v := s.View()
	ids := make([]string, docs)
	for i := range ids {
		ids[i] = NewMachine(i).ID
	}
	names := make([]string, docs)
	for i := range names {
		names[i] = fmt.Sprint("name/web-", i)
	}
	b.Run("get", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i += 7919 {
				if _, ok := machines.Get(s.View(), ids[i%docs]); !ok {
					b.Fatal("not there")
				}
			}
		})
	})
	b.Run("select 1", func(b *testing.B) {
		for i := range b.N {
			for range machines.Select(v, names[i*7919%docs]) {
			}
		}
	})
	b.Run("select 100", func(b *testing.B) {
		for i := range b.N {
			n := 0
			for range machines.Select(v, fmt.Sprintf("account/%012d", i%1000)) {
				n++
			}
			equal(b, "selected", n, 100)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/doc")
	})
	b.Run("all", func(b *testing.B) {
		for range b.N {
			n := 0
			for range machines.All(v) {
				n++
			}
			equal(b, "selected", n, docs)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/docs, "ns/doc")
	})
	b.Run("count 100", func(b *testing.B) {
		for i := range b.N {
			equal(b, "counted", machines.Count(v, fmt.Sprintf("account/%012d", i%1000)), 100)
		}
	})
	b.Run("modify", func(b *testing.B) { // without the engine: many in one transaction
		update(b, s, func(tx *store.Tx) error {
			b.ResetTimer()
			for i := range b.N {
				if err := machines.Modify(tx, ids[i*7919%docs], func(m *Machine) error { m.Slot++; return nil }); err != nil {
					return err
				}
			}
			b.StopTimer()
			return nil
		})
	})
}

// heap is what is in use after a collection.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
