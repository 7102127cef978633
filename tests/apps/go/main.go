// The Go sample: the standard library alone, so that it builds without a module proxy.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

const VERSION = "go one"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		greeting := os.Getenv("GREETING")
		if greeting == "" {
			greeting = "no greeting"
		}
		fmt.Fprintf(w, "%s %s\n", VERSION, greeting)
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
