// Command versitygw runs the black-box tests of versitygw's S3 client, every one
// that it is not told to leave out, and writes a line of JSON for each. It is a
// module of its own, so that what the client needs stays out of the product.
//
// It guarantees that a test which panics fails alone, and that messages of errors
// which AWS words otherwise than versitygw are compared by AWS's words.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/versity/versitygw/tests/integration"
)

// together is how many tests run at once.
const together = 8

// result is what came of a test; an empty Error is a success.
type result struct{ Test, Error string }

func main() {
	endpoint := flag.String("endpoint", "", "of S3, with its scheme")
	region := flag.String("region", "", "of the endpoint")
	out := flag.String("out", "", "file for the results")
	list := flag.Bool("list", false, "print the names of all tests")
	flag.Parse()
	if *list {
		for _, name := range slices.Sorted(maps.Keys(integration.GetIntTests())) {
			fmt.Println(name)
		}
		return
	}
	if err := run(*endpoint, *region, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run has standard input name the tests to leave out, one a line.
func run(endpoint, region, out string) error {
	apart := map[string]bool{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		apart[lines.Text()] = true
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	conf := integration.NewS3Conf(integration.WithAccess(os.Getenv("AWS_ACCESS_KEY_ID")), integration.WithSecret(os.Getenv("AWS_SECRET_ACCESS_KEY")),
		integration.WithRegion(region), integration.WithEndpoint(endpoint), integration.WithVersioningEnabled(),
		integration.WithPartSize(5<<20), integration.WithConcurrency(2))
	c := client(conf)
	c.Transport = open{reworded{c.Transport}, conf}
	if os.Stdout, err = os.Open(os.DevNull); err != nil { // the tests tell of themselves there
		return err
	}
	for _, r := range runAll(conf, apart) {
		if err := json.NewEncoder(f).Encode(r); err != nil {
			return err
		}
	}
	return f.Close()
}

// runAll runs the tests that bear no company one by one, and then the others.
func runAll(conf *integration.S3Conf, apart map[string]bool) (results []result) {
	tests := integration.GetIntTests()
	var mu sync.Mutex // guards results
	one := func(name string) {
		r := result{Test: name, Error: failure(tests[name], conf)}
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, together)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if counts(name) && !apart[name] {
			one(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if !counts(name) && !apart[name] {
			slots <- struct{}{}
			all.Go(func() { one(name); <-slots })
		}
	}
	all.Wait()
	return results
}

// counts reports whether a test counts the buckets of the account.
func counts(name string) bool { return strings.HasPrefix(name, "ListBuckets_") }

// failure runs a test and returns what is wrong, "" for nothing.
func failure(test integration.IntTest, conf *integration.S3Conf) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint("panic: ", v)
		}
	}()
	if err := test(conf); err != nil {
		return cmp.Or(err.Error(), "failed")
	}
	return ""
}
