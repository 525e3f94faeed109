package checksum_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash"
	"math/rand/v2"
	"testing"

	"github.com/vauban-cloud/vauban/object/checksum"
)

// TestValues holds the algorithms against published values of "123456789".
func TestValues(t *testing.T) {
	for a, want := range map[checksum.Algorithm]string{
		checksum.CRC32:     "cbf43926",
		checksum.CRC32C:    "e3069283",
		checksum.CRC64NVME: "ae8b14860a799888",
		checksum.SHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		checksum.SHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		checksum.SHA512:    "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
		checksum.MD5:       "25f9e794323b453885f5181f1b624d0b",
		checksum.XXHASH64:  "8cb841db40e6ae83",
		checksum.XXHASH3:   "72dcb18b67a17dff",
		checksum.XXHASH128: "33119477ede5dcd5e9716427681d5860",
	} {
		h := a.New()
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s is %s, want %s", a, got, want)
		}
		if a.Size() != len(want)/2 {
			t.Errorf("%s has size %d, want %d", a, a.Size(), len(want)/2)
		}
	}
}

func sum(h hash.Hash, b []byte) []byte {
	h.Write(b)
	return h.Sum(nil)
}

func TestFullObject(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME} {
		for range 200 {
			c := checksum.NewCombiner(a, checksum.FullObject)
			var all []byte
			for range rng.IntN(5) + 1 {
				part := make([]byte, rng.IntN(3000)*rng.IntN(2))
				for k := range part {
					part[k] = byte(rng.Uint32())
				}
				c.Add(sum(a.New(), part), int64(len(part)))
				all = append(all, part...)
			}
			if got, want := c.Sum(), sum(a.New(), all); !bytes.Equal(got.Value, want) || got.Type != checksum.FullObject {
				t.Fatalf("%s of %d bytes is %x, want %x", a, len(all), got.Value, want)
			}
		}
	}
}

func TestComposite(t *testing.T) {
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.SHA1, checksum.SHA256} {
		one, two := sum(a.New(), []byte("one")), sum(a.New(), []byte("two"))
		c := checksum.NewCombiner(a, checksum.Composite)
		c.Add(one, 3)
		c.Add(two, 3)
		if got, want := c.Sum().Value, sum(a.New(), append(one, two...)); !bytes.Equal(got, want) {
			t.Errorf("%s is %x, want %x", a, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	full, composite := checksum.FullObject, checksum.Composite
	for a, fine := range map[checksum.Algorithm]map[checksum.Type]bool{
		checksum.CRC32:     {full: true, composite: true, "": false, "full": false},
		checksum.CRC32C:    {full: true, composite: true},
		checksum.CRC64NVME: {full: true, composite: false},
		checksum.SHA1:      {full: false, composite: true},
		checksum.SHA256:    {full: false, composite: true},
		checksum.MD5:       {full: false, composite: true},
		checksum.XXHASH3:   {full: false, composite: true},
		"SHA3":             {full: false, composite: false},
	} {
		for kind, ok := range fine {
			if err := a.Check(kind); (err == nil) != ok || err != nil && !errors.Is(err, checksum.ErrAlgorithm) {
				t.Errorf("%s of type %q: %v", a, kind, err)
			}
		}
		if a.Size() >= 0 && a.Check(a.Default()) != nil {
			t.Errorf("%s has the default %s, which it does not do", a, a.Default())
		}
	}
}
