// Package catalog knows which service answers at which address.
package catalog

import (
	"sort"
	"sync"
	"time"

	"github.com/hashicorp/consul/health"
)

// A Catalog may be used from several goroutines.
type Catalog struct {
	mu       sync.RWMutex
	services map[string]map[string]health.Check
}

// New returns an empty catalog.
func New() *Catalog {
	return &Catalog{services: make(map[string]map[string]health.Check)}
}

// Register adds an address to a service, or renews its check.
func (c *Catalog) Register(service, address string, check health.Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services[service] == nil {
		c.services[service] = make(map[string]health.Check)
	}
	c.services[service][address] = check
}

// Healthy returns the addresses whose checks pass at the given time, sorted.
func (c *Catalog) Healthy(service string, now time.Time) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var passing []string
	for address, check := range c.services[service] {
		if check.Passes(now) {
			passing = append(passing, address)
		}
	}
	sort.Strings(passing)
	return passing
}
