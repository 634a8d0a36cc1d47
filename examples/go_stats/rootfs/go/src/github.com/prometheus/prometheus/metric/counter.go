// Package metric holds things that are counted and measured.
package metric

import "sync/atomic"

// A Counter only ever goes up.
type Counter struct{ n uint64 }

// Add counts n more.
func (c *Counter) Add(n uint64) { atomic.AddUint64(&c.n, n) }

// Value returns the count so far.
func (c *Counter) Value() uint64 { return atomic.LoadUint64(&c.n) }
