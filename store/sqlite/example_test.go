package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// Server is a document: what is stored, where, under which key and labels.
type Server struct{ Name, Rack, Address string }

func (Server) Table() string      { return "server" }
func (s Server) Key() string      { return s.Name }
func (s Server) Labels() []string { return []string{"rack/" + s.Rack} }

var servers store.Table[Server]

func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := sqlite.Open(ctx, filepath.Join(dir, "state.db"), Server{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	add := func(v Server) error {
		return s.Update(ctx, func(tx *store.Tx) error {
			if err := tx.Claim("address", v.Address, v.Name); err != nil {
				return err
			}
			return servers.Create(tx, v)
		})
	}
	fmt.Println(add(Server{"alpha", "r1", "10.0.0.1"}))
	fmt.Println(add(Server{"beta", "r1", "10.0.0.2"}))
	fmt.Println(add(Server{"gamma", "r2", "10.0.0.2"}))
	for v := range servers.Select(s.View(), "rack/r1") {
		fmt.Println(v.Name, v.Address)
	}
	// Output:
	// <nil>
	// <nil>
	// address 10.0.0.2 is held by beta
	// alpha 10.0.0.1
	// beta 10.0.0.2
}
