// Answers the port-forwards of one node by kubelet's own code, and dials the pods' ports on loopback: the pods of a node without
// containers are processes of the machine.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// How long a stream may be idle, and may take to be made.
const (
	idle     = time.Hour
	creation = 30 * time.Second
)

type loopback struct{}

func (loopback) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	var dialer net.Dialer
	pod, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer pod.Close()
	go func() {
		io.Copy(pod, stream)
		pod.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, pod)
	return err
}

func forward(w http.ResponseWriter, request *http.Request) {
	options, err := portforward.NewV4Options(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, request, loopback{}, request.PathValue("pod"), "", options, idle, creation,
		portforward.SupportedProtocols)
}

// Prints the port that it listens on, and ends with its standard input.
func main() {
	routes := http.NewServeMux()
	routes.HandleFunc("/portForward/{namespace}/{pod}", forward)
	server := httptest.NewTLSServer(routes)
	fmt.Println(server.Listener.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, os.Stdin)
}
