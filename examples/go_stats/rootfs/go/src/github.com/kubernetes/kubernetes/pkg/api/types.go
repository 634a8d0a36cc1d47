// Package api holds the nouns that the other packages share.
package api

// A Node is a machine with some processor time to give.
type Node struct {
	Name     string
	MilliCPU int64
	Labels   map[string]string
}

// A Pod asks for processor time, and may insist on labels.
type Pod struct {
	Name     string
	MilliCPU int64
	Selector map[string]string
}
