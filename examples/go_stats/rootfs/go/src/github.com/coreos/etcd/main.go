// Command etcd writes a key twice and looks back at both values.
package main

import (
	"fmt"

	"github.com/coreos/etcd/store"
	"github.com/coreos/etcd/watch"
)

func main() {
	s := store.New()
	hub := watch.NewHub()
	s.OnPut(hub.Publish)
	events := hub.Watch("/leader", 2)
	first := s.Put("/leader", "ash")
	second := s.Put("/leader", "birch")
	for _, revision := range []int64{first, second} {
		value, _ := s.GetAt("/leader", revision)
		fmt.Println(revision, value, <-events)
	}
}
