// The peers of benchmarks/datapath.py: an upstream, a reverse proxy as Go people write one, and a load generator.
// One program, so that it is built once: datapath upstream|proxy|load ...
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const prefix = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/"

var (
	listen = flag.String("listen", "", "address to serve on")
	target = flag.String("target", "", "address to connect to")
	ca     = flag.String("ca", "", "CA bundle, PEM")
	pair   = flag.String("pair", "", "own certificate and key, PEM, in one file")
	mode   = flag.String("mode", "get", "load: get, put, watches, delay")
	path   = flag.String("path", "/small", "load: request target")
	conns  = flag.Int("conns", 1, "load: connections")
	length = flag.Duration("duration", time.Second, "load: how long")
	size   = flag.Int64("size", 0, "load: bytes of a put")
	work   = flag.Duration("delay", 0, "upstream: how long a small answer takes")
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func pool() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func certificates() []tls.Certificate {
	if *pair == "" {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(*pair, *pair)
	must(err)
	return []tls.Certificate{certificate}
}

func serve(handler http.Handler, clients bool) {
	config := &tls.Config{Certificates: certificates(), NextProtos: []string{"http/1.1"}}
	if clients {
		config.ClientCAs = pool()
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	listener, err := tls.Listen("tcp", *listen, config)
	must(err)
	must((&http.Server{Handler: handler}).Serve(listener))
}

// The upstream: /small 1 KB, /list 200 KB, /body?n= that many bytes, /put reads, /watch sends a time every 20 ms,
// /idle sends one line and then nothing. Header fields as kube-apiserver's.
func upstream() {
	small := bytes.Repeat([]byte("x"), 1024)
	list := bytes.Repeat([]byte("y"), 200*1024)
	piece := make([]byte, 64*1024)
	http.HandleFunc("/small", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(*work)
		answer(w, small)
	})
	http.HandleFunc("/list", func(w http.ResponseWriter, r *http.Request) { answer(w, list) })
	http.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		left, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(left, 10))
		for left > 0 {
			n := min(left, int64(len(piece)))
			if _, err := w.Write(piece[:n]); err != nil {
				return
			}
			left -= n
		}
	})
	http.HandleFunc("/put", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, small[:16])
	})
	http.HandleFunc("/watch", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprintf(w, "%d\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	http.HandleFunc("/idle", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "{}")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	serve(http.DefaultServeMux, false)
}

func answer(w http.ResponseWriter, body []byte) {
	header := w.Header()
	header["Audit-Id"] = []string{"5b1ad7a1-8f0c-4b9d-9a4c-6d6d2d8a1f00"}
	header["Cache-Control"] = []string{"no-cache, private"}
	header["Content-Type"] = []string{"application/json"}
	header["X-Kubernetes-Pf-Flowschema-Uid"] = []string{"26bf9d4a-7c0c-4d8c-8a2d-2d1a6f0a9f11"}
	header["X-Kubernetes-Pf-Prioritylevel-Uid"] = []string{"6a1e1c62-9d0e-4b1d-8f5e-0f4ad2a0b222"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body)
}

// The proxy: what the gateway does for a request, in Go's standard library: identity from the client certificate,
// cluster from the path, impersonation, a verified pooled connection.
func proxy() {
	clusters := map[string]*url.URL{"east": {Scheme: "https", Host: *target}}
	handler := &httputil.ReverseProxy{
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: pool(), NextProtos: []string{"http/1.1"}},
			MaxIdleConnsPerHost: 512,
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			name, rest, _ := strings.Cut(r.In.URL.Path[len(prefix):], "/proxy")
			r.Out.URL.Path = rest
			r.SetURL(clusters[name])
			r.Out.Header.Set("Authorization", "Bearer token-of-the-gateway")
			r.Out.Header.Set("Impersonate-User", r.In.TLS.PeerCertificates[0].Subject.CommonName)
			r.Out.Header["Impersonate-Group"] = r.In.TLS.PeerCertificates[0].Subject.Organization
		},
	}
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
		} else if !strings.HasPrefix(r.URL.Path, prefix) {
			http.NotFound(w, r)
		} else {
			handler.ServeHTTP(w, r)
		}
	}), true)
}

type connection struct {
	*tls.Conn
	*bufio.Reader
}

func dial() connection {
	config := &tls.Config{RootCAs: pool(), ServerName: "localhost", Certificates: certificates()}
	config.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", *target, config)
	must(err)
	return connection{conn, bufio.NewReaderSize(conn, 65536)}
}

func (c connection) send(method, more string) {
	_, err := fmt.Fprintf(c.Conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kubectl/v1.36.0 (linux/amd64)\r\n"+
		"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\nAccept-Encoding: gzip\r\n"+
		"Kubectl-Command: kubectl get\r\nKubectl-Session: 8f14e45f-ceea-467f-a8c5-1d5a3b0a7c11\r\n"+
		"Cache-Control: no-cache\r\nX-Request-Source: benchmark\r\n%s\r\n", method, *path, more)
	must(err)
}

// Reads an answer's head and returns the length of its body.
func (c connection) head() int64 {
	length := int64(-1)
	for first := true; ; first = false {
		line, err := c.ReadSlice('\n')
		must(err)
		if first && !bytes.Contains(line, []byte(" 200")) {
			log.Fatalf("unexpected answer: %s", line)
		}
		if len(line) == 2 {
			return length
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
			length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			must(err)
		}
	}
}

func (c connection) read(n int64) {
	_, err := io.CopyN(io.Discard, c.Reader, n)
	must(err)
}

// Connections are open: wait for the word, so that handshakes are not counted.
func start() {
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func report(values map[string]float64) {
	must(json.NewEncoder(os.Stdout).Encode(values))
}

func percentile(values []float64, p float64) float64 {
	sort.Float64s(values)
	return values[int(float64(len(values)-1)*p)]
}

func get() {
	var group sync.WaitGroup
	var lock sync.Mutex
	var delays []float64
	var received int64
	dialled := make([]connection, *conns)
	for i := range dialled {
		dialled[i] = dial()
	}
	start()
	begin := time.Now()
	end := begin.Add(*length)
	for _, c := range dialled {
		group.Add(1)
		go func() {
			defer group.Done()
			var own []float64
			var bytes int64
			for now := time.Now(); len(own) == 0 || now.Before(end); {
				c.send("GET", "")
				n := c.head()
				c.read(n)
				bytes += n
				then := now
				now = time.Now()
				own = append(own, float64(now.Sub(then).Microseconds()))
			}
			lock.Lock()
			defer lock.Unlock()
			delays = append(delays, own...)
			received += bytes
		}()
	}
	group.Wait()
	seconds := time.Since(begin).Seconds()
	report(map[string]float64{
		"requests": float64(len(delays)), "seconds": seconds, "bytes": float64(received),
		"p50": percentile(delays, 0.5), "p99": percentile(delays, 0.99),
	})
}

func put() {
	c := dial()
	piece := make([]byte, 64*1024)
	start()
	begin := time.Now()
	c.send("PUT", fmt.Sprintf("Content-Length: %d\r\n", *size))
	for left := *size; left > 0; {
		n := min(left, int64(len(piece)))
		_, err := c.Conn.Write(piece[:n])
		must(err)
		left -= n
	}
	c.read(c.head())
	report(map[string]float64{"requests": 1, "seconds": time.Since(begin).Seconds(), "bytes": float64(*size)})
}

// Opens watches and keeps them until it gets the word.
func watches() {
	held := make([]net.Conn, 0, *conns)
	for range *conns {
		c := dial()
		c.send("GET", "")
		c.head()
		held = append(held, c.Conn)
	}
	start()
	report(map[string]float64{"open": float64(len(held))})
}

func delay() {
	c := dial()
	start()
	c.send("GET", "")
	c.head()
	var delays []float64
	for end := time.Now().Add(*length); time.Now().Before(end); {
		line, err := c.ReadSlice('\n')
		must(err)
		sent, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
		if err == nil && sent > 1e18 {
			delays = append(delays, float64(time.Now().UnixNano()-sent)/1000)
		}
	}
	report(map[string]float64{"events": float64(len(delays)), "p50": percentile(delays, 0.5), "p99": percentile(delays, 0.99)})
}

func main() {
	verb := os.Args[1]
	must(flag.CommandLine.Parse(os.Args[2:]))
	verbs := map[string]func(){"upstream": upstream, "proxy": proxy, "get": get, "put": put, "watches": watches, "delay": delay}
	if verb == "load" {
		verb = *mode
	}
	verbs[verb]()
}
