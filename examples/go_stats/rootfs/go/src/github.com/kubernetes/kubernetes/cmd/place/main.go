// Command place puts a few pods on a few nodes and prints where they went.
package main

import (
	"fmt"

	"github.com/kubernetes/kubernetes/pkg/api"
	"github.com/kubernetes/kubernetes/pkg/scheduler"
	"github.com/kubernetes/kubernetes/pkg/scheduler/score"
)

func main() {
	nodes := []api.Node{
		{Name: "ash", MilliCPU: 2000},
		{Name: "birch", MilliCPU: 1000},
	}
	s := scheduler.New(nodes, score.MostFree)
	for _, pod := range []api.Pod{
		{Name: "web", MilliCPU: 700},
		{Name: "batch", MilliCPU: 900},
	} {
		node, err := s.Place(pod)
		fmt.Println(pod.Name, node, err)
	}
}
