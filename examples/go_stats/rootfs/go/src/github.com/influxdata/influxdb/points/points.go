// Package points reads points of the form "name value time".
package points

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Point is one measured value.
type Point struct {
	Series string
	Value  float64
	At     time.Time
}

// Parse reads one line; the time is in nanoseconds since 1970.
func Parse(line string) (Point, error) {
	words := strings.Fields(line)
	if len(words) != 3 {
		return Point{}, fmt.Errorf("%q: want a name, a value and a time", line)
	}
	value, err := strconv.ParseFloat(words[1], 64)
	if err != nil {
		return Point{}, fmt.Errorf("%q: %v", line, err)
	}
	nanos, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return Point{}, fmt.Errorf("%q: %v", line, err)
	}
	return Point{Series: words[0], Value: value, At: time.Unix(0, nanos)}, nil
}
