// Threads made by C call into Go: the runtime from which extram has its mechanism.
//
// The garbage collection is Go's own test program CgoCallbackGC in shape: goroutines each start a
// fresh C thread, which calls back and collects.
package main

/*
#cgo CFLAGS: -O2
#cgo LDFLAGS: -lpthread
#include "peer.h"
#include <pthread.h>
#include <stdlib.h>

extern void goCall(uint32_t);
extern void goCollect(void);

static int go_peer(int argc, char **argv) { return peer_main(argc, argv, goCall); }

static void *collect_main(void *arg) {
	goCollect();
	return arg;
}

static int collect_on_fresh_thread(void) {
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	int error = pthread_create(&thread, &attributes, collect_main, 0);
	pthread_attr_destroy(&attributes);
	return error ? error : pthread_join(thread, 0);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

var there uint32
var allThere = make(chan struct{})

//export goCall
func goCall(meeting C.uint32_t) {
	if meeting == 0 {
		return
	}
	if atomic.AddUint32(&there, 1) == uint32(meeting) {
		close(allThere)
	}
	<-allThere
}

//export goCollect
func goCollect() {
	grow(1 << 10)
	runtime.GC()
}

// grow makes the goroutine's stack grow, as the test program does.
func grow(depth int) int {
	var frame [64]byte
	if depth == 0 {
		return len(frame)
	}
	return grow(depth-1) + int(frame[depth%len(frame)])
}

func collect(count int) int {
	begun := time.Now()
	var done sync.WaitGroup
	var failed int32
	for i := 0; i < count; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			if C.collect_on_fresh_thread() != 0 {
				atomic.StoreInt32(&failed, 1)
			}
		}()
	}
	done.Wait()
	fmt.Printf("{\"wall_us\":%.1f}\n", float64(time.Since(begun).Nanoseconds())/1e3)
	return int(failed)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "collect" {
		count, _ := strconv.Atoi(os.Args[2])
		os.Exit(collect(count))
	}
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	argv := make([]*C.char, len(os.Args)+1)
	for i, arg := range os.Args {
		argv[i] = C.CString(arg)
	}
	array := C.malloc(C.size_t(len(argv)) * C.size_t(unsafe.Sizeof(argv[0])))
	copy((*[16]*C.char)(array)[:], argv)
	os.Exit(int(C.go_peer(C.int(len(os.Args)), (**C.char)(array))))
}
