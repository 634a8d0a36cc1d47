// Command sample counts a few requests and prints them for a scraper.
package main

import (
	"log"
	"os"

	"github.com/prometheus/prometheus/exposition"
	"github.com/prometheus/prometheus/metric"
)

func main() {
	var requests metric.Counter
	requests.Add(3)
	latency := metric.NewHistogram(0.1, 0.5, 1)
	for _, seconds := range []float64{0.05, 0.3, 2} {
		latency.Observe(seconds)
	}
	w := exposition.NewWriter(os.Stdout)
	w.Counter("requests_total", &requests)
	w.Histogram("latency_seconds", latency)
	if err := w.Err(); err != nil {
		log.Fatal(err)
	}
}
