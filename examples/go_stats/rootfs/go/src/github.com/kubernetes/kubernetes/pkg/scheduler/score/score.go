// Package score says which node to prefer.
package score

// A Func gives a node with so much free time a score; the highest wins.
type Func func(free int64) int64

// MostFree spreads the load.
func MostFree(free int64) int64 { return free }
