// Package exposition writes metrics as lines of text.
package exposition

import (
	"fmt"
	"io"

	"github.com/prometheus/prometheus/metric"
)

// A Writer remembers the first error and then does nothing more.
type Writer struct {
	w   io.Writer
	err error
}

// NewWriter returns a writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Err returns the first error met.
func (w *Writer) Err() error { return w.err }

// Counter writes one counter.
func (w *Writer) Counter(name string, c *metric.Counter) {
	w.line("%s %d\n", name, c.Value())
}

// Histogram writes the running totals of a histogram's buckets, and its sum.
func (w *Writer) Histogram(name string, h *metric.Histogram) {
	var total uint64
	for i, bound := range h.Bounds {
		total += h.Counts[i]
		w.line("%s_bucket{le=%q} %d\n", name, fmt.Sprint(bound), total)
	}
	w.line("%s_sum %g\n", name, h.Sum)
}

func (w *Writer) line(format string, args ...interface{}) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format, args...)
	}
}
