// Package health says whether a service is to be trusted.
package health

import "time"

// A Check passes or fails at a moment.
type Check interface {
	Passes(now time.Time) bool
}

type expiring struct{ until time.Time }

// Expiring returns a check that passes until its time to live is over.
func Expiring(from time.Time, ttl time.Duration) Check {
	return expiring{until: from.Add(ttl)}
}

func (e expiring) Passes(now time.Time) bool { return now.Before(e.until) }
