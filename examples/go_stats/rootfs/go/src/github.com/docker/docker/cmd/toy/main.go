// Command toy starts a few named things, stops one, and prints what is left.
package main

import (
	"fmt"
	"log"

	"github.com/docker/docker/container"
	"github.com/docker/docker/namegen"
)

func main() {
	shelf := container.NewShelf()
	for seed := 0; seed < 3; seed++ {
		if err := shelf.Start(namegen.Name(seed), "busybox"); err != nil {
			log.Fatal(err)
		}
	}
	if err := shelf.Stop(namegen.Name(1)); err != nil {
		log.Fatal(err)
	}
	for _, c := range shelf.List() {
		fmt.Println(c)
	}
}
