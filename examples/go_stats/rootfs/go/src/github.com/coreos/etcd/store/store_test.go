package store

import "testing"

func TestGetAtLooksBack(t *testing.T) {
	s := New()
	first := s.Put("k", "old")
	s.Put("other", "x")
	last := s.Put("k", "new")
	for revision, want := range map[int64]string{first: "old", last - 1: "old", last: "new"} {
		if got, ok := s.GetAt("k", revision); !ok || got != want {
			t.Errorf("GetAt(k, %d) = %q, %v; want %q", revision, got, ok, want)
		}
	}
	if _, ok := s.GetAt("k", first-1); ok {
		t.Error("k was there before it was written")
	}
}
