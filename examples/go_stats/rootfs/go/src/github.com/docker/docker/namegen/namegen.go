// Package namegen gives things friendly names.
package namegen

var (
	tempers = []string{"calm", "brisk", "merry", "quiet"}
	birds   = []string{"heron", "plover", "wren", "siskin", "dunlin"}
)

// Name returns the same two words for the same seed.
func Name(seed int) string {
	return tempers[seed%len(tempers)] + "-" + birds[seed%len(birds)]
}
