// Package scheduler decides which node a pod runs on.
package scheduler

import (
	"fmt"

	"github.com/kubernetes/kubernetes/pkg/api"
	"github.com/kubernetes/kubernetes/pkg/labels"
	"github.com/kubernetes/kubernetes/pkg/scheduler/score"
)

// A Scheduler remembers what it has promised of each node.
type Scheduler struct {
	nodes []api.Node
	free  []int64
	score score.Func
}

// New returns a scheduler over nodes on which nothing runs yet.
func New(nodes []api.Node, f score.Func) *Scheduler {
	s := &Scheduler{nodes: nodes, free: make([]int64, len(nodes)), score: f}
	for i, n := range nodes {
		s.free[i] = n.MilliCPU
	}
	return s
}

// Place reserves room for the pod on the node that scores highest.
func (s *Scheduler) Place(pod api.Pod) (string, error) {
	best := -1
	for i, node := range s.nodes {
		if s.free[i] < pod.MilliCPU || !labels.Match(pod.Selector, node.Labels) {
			continue
		}
		if best < 0 || s.score(s.free[i]) > s.score(s.free[best]) {
			best = i
		}
	}
	if best < 0 {
		return "", fmt.Errorf("no node has room for pod %s", pod.Name)
	}
	s.free[best] -= pod.MilliCPU
	return s.nodes[best].Name, nil
}
