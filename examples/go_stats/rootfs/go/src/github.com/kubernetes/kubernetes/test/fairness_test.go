// Package test holds tests that span packages.
package test

import (
	"testing"

	"github.com/kubernetes/kubernetes/pkg/api"
	"github.com/kubernetes/kubernetes/pkg/scheduler"
	"github.com/kubernetes/kubernetes/pkg/scheduler/score"
)

func TestEqualNodesShareTheLoad(t *testing.T) {
	nodes := []api.Node{{Name: "a", MilliCPU: 100}, {Name: "b", MilliCPU: 100}}
	s, pods := scheduler.New(nodes, score.MostFree), make(map[string]int)
	for i := 0; i < 10; i++ {
		node, err := s.Place(api.Pod{MilliCPU: 10})
		if err != nil {
			t.Fatal(err)
		}
		pods[node]++
	}
	if pods["a"] != pods["b"] {
		t.Errorf("unequal shares: %v", pods)
	}
}
