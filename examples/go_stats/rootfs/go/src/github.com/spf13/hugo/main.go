// Command hugo turns a page on standard input into HTML on standard output.
package main

import (
	"io"
	"log"
	"os"

	"github.com/spf13/hugo/page"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if err := page.Parse(string(text)).Render(os.Stdout); err != nil {
		log.Fatal(err)
	}
}
