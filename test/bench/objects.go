package main

import "fmt"

// objects measures the object store without HTTP, in turns with what the disk does:
// synced appends of one writer to one file, new files of the same size that are
// synced, and files that are read from the page cache.
func objects(b *bench) {
	span := "2s"
	if b.quick {
		span = "100ms"
	}
	m := b.goBenchmark("object", "BenchmarkStore", span)
	for _, o := range []struct{ name, what, disk, unit string }{
		{"put/4KiB", "puts of 4 KiB by 64 writers / synced appends by 1", "synced appends/s", "/s"},
		{"put/1MiB", "puts of 1 MiB by 8 writers / synced files by 1", "MB/s of synced files", "MB/s"},
		{"put/10MiB", "puts of 10 MiB by 4 writers / synced files by 1", "MB/s of synced files", "MB/s"},
		{"get/1MiB", "gets of 1 MiB by 8 readers / cached files by 1", "MB/s of cached files", "MB/s"},
		{"get/10MiB", "gets of 10 MiB by 4 readers / cached files by 1", "MB/s of cached files", "MB/s"},
	} {
		v := m["BenchmarkStore/"+o.name]
		b.add(result{
			Measure: o.what, Value: v["ratio"], Unit: "x",
			Note: fmt.Sprintf("%.0f %s, encrypted, with MD5; %.0f %s; %.0f MB of heap", v[o.unit], o.unit, v["disk"], o.disk, v["heap-MB"]),
		})
	}
	for _, o := range []struct{ name, what, unit string }{
		{"get/4KiB", "gets of 4 KiB by 16 readers", "/s"},
		{"head/4KiB", "heads by 16 readers", "/s"},
		{"delete/4KiB", "deletes by 16 writers", "/s"},
		{"list/1000", "keys listed by 1 reader, pages of 1,000", "keys/s"},
	} {
		v := m["BenchmarkStore/"+o.name]
		b.add(result{Measure: o.what, Value: v[o.unit], Unit: o.unit, Note: "in this process, without HTTP"})
	}
	costs := b.goBenchmark("object", "BenchmarkEncryption", span)
	for _, o := range []struct{ name, what string }{
		{"put/4KiB", "puts of 4 KiB by 64 writers, encrypted / plain"},
		{"get/4KiB", "gets of 4 KiB by 16 readers, encrypted / plain"},
		{"put/1MiB", "puts of 1 MiB by 8 writers, encrypted / plain"},
		{"get/1MiB", "gets of 1 MiB by 8 readers, encrypted / plain"},
		{"fetch/1MiB", "gets of 1 MiB by 8 clients by bare HTTP, encrypted / plain"},
	} {
		v := costs["BenchmarkEncryption/"+o.name]
		b.add(result{
			Measure: o.what, Value: v["ratio"], Unit: "x", Goal: atLeast(0.75),
			Note: fmt.Sprintf("%.0f and %.0f /s; of processor time %.2f x; in this process, without S3", v["sealed/s"], v["plain/s"], v["cpu-ratio"]),
		})
	}
}
