package admin

import (
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"
)

// Seconds that a CPU profile takes.
const (
	usualProfile = 10
	maxProfile   = 60
)

// profile answers with what the emulator spends its time or memory on, for `go tool pprof`: cpu, heap, allocs, goroutine and
// the other profiles of the runtime.
func (api *API) profile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name == "cpu" {
		api.profileCPU(w, r)
		return
	}
	found := pprof.Lookup(name)
	if found == nil {
		refuse(w, http.StatusNotFound, "name: no such profile")
		return
	}
	if name == "heap" {
		runtime.GC() // what is still in use, not what was at the last collection
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_ = found.WriteTo(w, 0) // a client that is gone is not our error
}

func (api *API) profileCPU(w http.ResponseWriter, r *http.Request) {
	seconds := usualProfile
	if text := r.URL.Query().Get("seconds"); text != "" {
		wanted, err := strconv.Atoi(text)
		if err != nil || wanted < 1 || wanted > maxProfile {
			refuse(w, http.StatusBadRequest, "seconds: must be from 1 to "+strconv.Itoa(maxProfile))
			return
		}
		seconds = wanted
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := pprof.StartCPUProfile(w); err != nil {
		refuse(w, http.StatusConflict, err.Error())
		return
	}
	defer pprof.StopCPUProfile()
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
	}
}
