// Package watch tells whoever asked that a key was written.
package watch

import "sync"

// A Hub hands each write to the channels that watch its key.
type Hub struct {
	mu       sync.Mutex
	watchers map[string][]chan string
}

// NewHub returns a hub that nobody watches.
func NewHub() *Hub { return &Hub{watchers: make(map[string][]chan string)} }

// Watch returns a channel on which the values of a key arrive.
func (h *Hub) Watch(key string, buffer int) <-chan string {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan string, buffer)
	h.watchers[key] = append(h.watchers[key], c)
	return c
}

// Publish never waits: a watcher that is too slow misses the value.
func (h *Hub) Publish(key, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.watchers[key] {
		select {
		case c <- value:
		default:
		}
	}
}
