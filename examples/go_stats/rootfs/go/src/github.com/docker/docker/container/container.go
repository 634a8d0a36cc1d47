// Package container keeps the containers of one imaginary host.
package container

import (
	"fmt"
	"sort"

	"github.com/docker/docker/image"
)

// A Container is a name, the image it came from and whether it runs.
type Container struct {
	Name    string
	Image   image.Reference
	Running bool
}

func (c Container) String() string {
	state := "stopped"
	if c.Running {
		state = "running"
	}
	return fmt.Sprintf("%-16s %-20s %s", c.Name, c.Image, state)
}

// A Shelf holds containers by name.
type Shelf struct {
	byName map[string]*Container
}

// NewShelf returns an empty shelf.
func NewShelf() *Shelf {
	return &Shelf{byName: make(map[string]*Container)}
}

// Start adds a running container; its name must be free.
func (s *Shelf) Start(name, from string) error {
	if _, taken := s.byName[name]; taken {
		return fmt.Errorf("container %s exists", name)
	}
	ref, err := image.Parse(from)
	if err != nil {
		return err
	}
	s.byName[name] = &Container{Name: name, Image: ref, Running: true}
	return nil
}

// Stop marks a container as stopped.
func (s *Shelf) Stop(name string) error {
	c, ok := s.byName[name]
	if !ok {
		return fmt.Errorf("container %s not found", name)
	}
	c.Running = false
	return nil
}

// List returns all containers in the order of their names.
func (s *Shelf) List() []Container {
	all := make([]Container, 0, len(s.byName))
	for _, c := range s.byName {
		all = append(all, *c)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
