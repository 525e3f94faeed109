package indextest

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/object/index"
)

// model does at random what can be done, and compares all rows with a map.
func model(t *testing.T, fresh func(testing.TB) Place) {
	r := newRig(t, fresh(t))
	rows := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\u00ff")), 0, 3, -1)
	rapid.Check(t, func(rt *rapid.T) {
		r.commit(func(b index.Batch) { b.DeleteRange([]byte{0}, []byte{0xff}) })
		values, sums := map[string]string{}, map[string]index.Counters{}
		batch := func(rt *rapid.T, b index.Batch) {
			for range rapid.IntRange(0, 5).Draw(rt, "changes") {
				row := rows.Draw(rt, "row")
				v, n := []byte("v"+row), []byte("n"+row)
				switch rapid.IntRange(0, 4).Draw(rt, "change") {
				case 0, 1:
					value := rapid.SampledFrom([]string{"", "1", "2\x00"}).Draw(rt, "value")
					b.Set(v, []byte(value))
					values[string(v)] = value
				case 2:
					add := index.Counters(rapid.SliceOfN(rapid.Int64Range(-9, 9), 1, 3).Draw(rt, "add"))
					b.Add(n, add)
					sum := slices.Clone(sums[string(n)])
					if err := sum.Add(add.Append(nil)); err != nil {
						rt.Fatal(err)
					}
					sums[string(n)] = sum
				case 3:
					b.Delete(v)
					b.Delete(n)
					delete(values, string(v))
					delete(sums, string(n))
				case 4:
					to := string(v) + rows.Draw(rt, "to")
					b.DeleteRange(v, []byte(to))
					maps.DeleteFunc(values, func(k, _ string) bool { return k >= string(v) && k < to })
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) { r.commit(func(b index.Batch) { batch(rt, b) }) },
			"lazily": func(rt *rapid.T) { r.must(commit(r.Engine, false, func(b index.Batch) { batch(rt, b) })) },
			"get": func(rt *rapid.T) {
				row := "v" + rows.Draw(rt, "row")
				want, ok := values[row]
				if !ok {
					want = "-"
				}
				if got := get(r, r.Engine, row); got != want {
					rt.Fatalf("%q has %q, want %q", row, got, want)
				}
			},
			"reopen": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
					r.reopen()
				}
			},
			"": func(rt *rapid.T) {
				from, to := "n"+rows.Draw(rt, "from"), "v"+rows.Draw(rt, "to")
				there := maps.Clone(values)
				for k, n := range sums {
					there[k] = numbers(n...)
				}
				var want []string
				for _, k := range slices.Sorted(maps.Keys(there)) {
					if k >= from && k < to {
						want = append(want, k+"="+there[k])
					}
				}
				if got := all(r, r.Engine, from, to, ""); !slices.Equal(got, want) {
					rt.Fatalf("from %q to %q there are\n%q, want\n%q", from, to, got, want)
				}
			},
		})
	})
}
