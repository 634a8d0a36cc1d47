// Command mean reads points, one a line, and prints the mean of each series.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"github.com/influxdata/influxdb/points"
	"github.com/influxdata/influxdb/series"
)

func main() {
	table := series.New()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		p, err := points.Parse(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		table.Add(p)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	for _, name := range table.Names() {
		fmt.Println(name, table.Mean(name))
	}
}
