// Package rate turns counts into speeds.
package rate

import "time"

// A Sample is what a counter stood at, and when.
type Sample struct {
	At    time.Time
	Value float64
}

// PerSecond returns the mean increase; a count that falls has started again.
func PerSecond(samples []Sample) float64 {
	if len(samples) < 2 {
		return 0
	}
	var increase float64
	for i := 1; i < len(samples); i++ {
		step := samples[i].Value - samples[i-1].Value
		if step < 0 {
			step = samples[i].Value
		}
		increase += step
	}
	return increase / samples[len(samples)-1].At.Sub(samples[0].At).Seconds()
}
