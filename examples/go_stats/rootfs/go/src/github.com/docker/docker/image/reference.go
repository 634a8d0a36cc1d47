// Package image reads image references such as "busybox:1.36".
package image

import (
	"errors"
	"strings"
)

// A Reference names an image and one of its tags.
type Reference struct {
	Name, Tag string
}

// Parse reads "name" or "name:tag"; the tag is "latest" where none is given.
func Parse(text string) (Reference, error) {
	name, tag := text, "latest"
	if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, '/') {
		name, tag = text[:colon], text[colon+1:]
	}
	if name == "" || tag == "" {
		return Reference{}, errors.New("an image needs a name and a tag")
	}
	return Reference{Name: name, Tag: tag}, nil
}

func (r Reference) String() string { return r.Name + ":" + r.Tag }
