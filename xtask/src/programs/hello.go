// What a small agent in Go does: goroutines on every thread, files, a child, a server on loopback.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	fmt.Println(runtime.Version(), runtime.GOARCH)

	var wait sync.WaitGroup
	sums := make(chan int, 64)
	for i := 0; i < 64; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			blocks := make([][]byte, 0, 64)
			for j := 0; j < 64; j++ {
				blocks = append(blocks, make([]byte, 16<<10))
			}
			time.Sleep(time.Millisecond)
			sums <- len(blocks)
		}()
	}
	wait.Wait()
	runtime.GC()

	check(os.WriteFile("/tmp/go", []byte("written"), 0o600))
	echoed, err := exec.Command("/bin/echo", "child").Output()
	check(err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "served")
	}))
	answer, err := http.Get("http://" + listener.Addr().String())
	check(err)
	body, err := io.ReadAll(answer.Body)
	check(err)
	fmt.Print(len(sums), " goroutines, ", string(echoed), string(body), "\n")
}
