// Command hello is the least that a function in Go can be: what the product's functions are measured against.
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ce-Id") != "" { // an event: an empty answer says that it is done
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = io.WriteString(w, "hello\n") // the client is gone if this fails
	})
	if err := http.ListenAndServe(":"+port, handler); err != nil {
		os.Exit(1)
	}
}
