// Command consul registers services and asks for the healthy ones.
package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/consul/catalog"
	"github.com/hashicorp/consul/health"
)

func main() {
	now := time.Unix(0, 0)
	c := catalog.New()
	c.Register("web", "10.0.0.1:80", health.Expiring(now, 10*time.Second))
	c.Register("web", "10.0.0.2:80", health.Expiring(now, 30*time.Second))
	fmt.Println(c.Healthy("web", now.Add(20*time.Second)))
}
