// Package rule raises alerts.
package rule

// A Threshold fires once a value has been too high so many times, at least one, in a row.
type Threshold struct {
	Above   float64
	Times   int
	exceeds int
}

// Fires takes the next value and reports whether the alert is raised.
func (t *Threshold) Fires(value float64) bool {
	t.exceeds++
	if value <= t.Above {
		t.exceeds = 0
	}
	return t.exceeds >= t.Times
}
