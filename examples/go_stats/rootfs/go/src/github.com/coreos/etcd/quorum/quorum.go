// Package quorum counts votes.
package quorum

import "sort"

// Size returns how many of n members make a majority.
func Size(n int) int { return n/2 + 1 }

// Committed returns the highest index that a majority has acknowledged.
func Committed(acknowledged []uint64) uint64 {
	if len(acknowledged) == 0 {
		return 0
	}
	sorted := append([]uint64(nil), acknowledged...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] > sorted[j] })
	return sorted[Size(len(sorted))-1]
}
