// Package store keeps every value that a key has ever had.
package store

import (
	"sort"
	"sync"
)

type version struct {
	revision int64
	value    string
}

// A Store numbers its writes with revisions from 1.
type Store struct {
	mu       sync.Mutex
	revision int64
	history  map[string][]version
	hook     func(key, value string)
}

// New returns an empty store.
func New() *Store { return &Store{history: make(map[string][]version)} }

// OnPut has f called after every write.
func (s *Store) OnPut(f func(key, value string)) { s.hook = f }

// Put writes a value and returns its revision.
func (s *Store) Put(key, value string) int64 {
	s.mu.Lock()
	s.revision++
	revision := s.revision
	s.history[key] = append(s.history[key], version{revision, value})
	s.mu.Unlock()
	if s.hook != nil {
		s.hook(key, value)
	}
	return revision
}

// GetAt returns what the key held as of a revision.
func (s *Store) GetAt(key string, revision int64) (value string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.history[key]
	after := sort.Search(len(versions), func(i int) bool { return versions[i].revision > revision })
	if after == 0 {
		return "", false
	}
	return versions[after-1].value, true
}
