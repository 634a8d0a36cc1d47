package metric

import (
	"math"
	"sort"
)

// A Histogram counts observations in buckets by their upper bounds.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// NewHistogram returns a histogram with the given bounds and one past them.
func NewHistogram(bounds ...float64) *Histogram {
	all := append(append([]float64(nil), bounds...), math.Inf(1))
	sort.Float64s(all)
	return &Histogram{Bounds: all, Counts: make([]uint64, len(all))}
}

// Observe counts one value in the first bucket that takes it.
func (h *Histogram) Observe(value float64) {
	h.Counts[sort.SearchFloat64s(h.Bounds, value)]++
	h.Sum += value
}
