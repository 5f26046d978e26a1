// The programs of every pod on the workers, in one static file, so that a worker's image stays small:
//
//	serve           an HTTP server that tells which pod answered and since when it runs
//	idle            a process that only waits
//	proxy NAME:PORT a node's way to its API: 172.20.0.1:6443 leads to NAME, resolved once, when it starts
//	network NAME    a pod that needs the API NAME by that way: an HTTP server that says how the API answers
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	apiAddress    = "172.20.0.1:6443"
	healthAddress = "172.20.0.1:6444"
	patience      = 2 * time.Second
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	words := os.Args[1:]
	switch {
	case len(words) == 1 && words[0] == "idle":
	case len(words) == 1 && words[0] == "serve":
		serve()
	case len(words) == 2 && words[0] == "proxy":
		proxy(words[1])
	case len(words) == 2 && words[0] == "network":
		go answer(":8080", words[1], "/readyz")
	default:
		fmt.Fprintln(os.Stderr, "usage: workload serve | idle | proxy NAME:PORT | network NAME")
		os.Exit(2)
	}
	<-stop
}

func serve() {
	name, _ := os.Hostname()
	started := time.Now().UTC().Format(time.RFC3339Nano)
	handler := func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(answer, "%s runs since %s\n", name, started)
	}
	go func() { fail(http.ListenAndServe(":8080", http.HandlerFunc(handler))) }()
}

// proxy forwards every connection to the one address that the name has now, as HAProxy without resolvers does.
func proxy(server string) {
	name, port, err := net.SplitHostPort(server)
	fail(err)
	addresses, err := net.DefaultResolver.LookupIP(context.Background(), "ip4", name)
	fail(err)
	target := net.JoinHostPort(addresses[0].String(), port)
	fmt.Fprintf(os.Stderr, "%s is %s\n", server, target)
	listener, err := net.Listen("tcp", apiAddress)
	fail(err)
	go answer(healthAddress, name, "/version")
	go func() {
		for {
			client, err := listener.Accept()
			fail(err)
			go forward(client, target)
		}
	}()
}

func forward(client net.Conn, target string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", target, patience)
	if err != nil {
		return
	}
	defer server.Close()
	ended := make(chan struct{}, 2)
	copyAll := func(to, from net.Conn) {
		io.Copy(to, from)
		ended <- struct{}{}
	}
	go copyAll(server, client)
	go copyAll(client, server)
	<-ended
}

// answer serves the status that a path of the API has through the node's proxy, and which API server it was, by its
// certificate. A kubelet's own probe does not say the API's name, by which the load balancers of the region choose.
func answer(address string, name string, path string) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{ServerName: name, InsecureSkipVerify: true},
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	handler := func(answer http.ResponseWriter, _ *http.Request) {
		found, err := client.Get("https://" + apiAddress + path)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
			return
		}
		found.Body.Close()
		answer.WriteHeader(found.StatusCode)
		certificate := sha256.Sum256(found.TLS.PeerCertificates[0].Raw)
		fmt.Fprintf(answer, "%s answers %d with certificate %x\n", name, found.StatusCode, certificate)
	}
	fail(http.ListenAndServe(address, http.HandlerFunc(handler)))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
