// Package series gathers points by name.
package series

import (
	"sort"

	"github.com/influxdata/influxdb/points"
)

// A Table holds the values of every series.
type Table struct {
	values map[string][]float64
}

// New returns an empty table.
func New() *Table { return &Table{values: make(map[string][]float64)} }

// Add appends a point to its series.
func (t *Table) Add(p points.Point) {
	t.values[p.Series] = append(t.values[p.Series], p.Value)
}

// Names returns the names of all series, sorted.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.values))
	for name := range t.values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Mean returns the mean of a series, 0 when it is empty.
func (t *Table) Mean(name string) float64 {
	values := t.values[name]
	if len(values) == 0 {
		return 0
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
