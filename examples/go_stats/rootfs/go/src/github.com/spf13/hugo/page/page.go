// Package page reads a page with front matter and renders it.
package page

import (
	"html/template"
	"io"
	"strings"
)

const fence = "+++\n"

var layout = template.Must(template.New("page").Parse(
	"<h1>{{.Title}}</h1>\n{{range .Paragraphs}}<p>{{.}}</p>\n{{end}}"))

// A Page is a title and what stands below it.
type Page struct {
	Title      string
	Paragraphs []string
}

// Parse reads front matter between two fences, if there is any, then paragraphs.
func Parse(text string) Page {
	var p Page
	if strings.HasPrefix(text, fence) {
		front, body, _ := strings.Cut(strings.TrimPrefix(text, fence), fence)
		p.Title = field(front, "title")
		text = body
	}
	for _, paragraph := range strings.Split(text, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			p.Paragraphs = append(p.Paragraphs, paragraph)
		}
	}
	return p
}

// Render writes the page as HTML.
func (p Page) Render(w io.Writer) error { return layout.Execute(w, p) }

func field(front, name string) string {
	for _, line := range strings.Split(front, "\n") {
		key, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(key) == name {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}
