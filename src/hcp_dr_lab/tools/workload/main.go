// The program of every pod on the workers: an HTTP server that tells which pod answered and since when it runs,
// or, with the argument idle, a process that only waits. One static file, so that a worker's image stays small.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) != 2 || (os.Args[1] != "serve" && os.Args[1] != "idle") {
		fmt.Fprintln(os.Stderr, "usage: workload serve | idle")
		os.Exit(2)
	}
	if os.Args[1] == "serve" {
		name, _ := os.Hostname()
		started := time.Now().UTC().Format(time.RFC3339Nano)
		http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(answer, "%s runs since %s\n", name, started)
		})
		go func() {
			fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil))
			os.Exit(1)
		}()
	}
	<-stop
}
