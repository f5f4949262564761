package fault

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// answer writes what a Status fault says; without code and message the body that Alpaca's servers send with the status: the
// trading API's own for 500, a line of text in maintenance (503), and the page of the proxy before it for 502 and 504.
func (f *Fault) answer(w http.ResponseWriter) {
	if f.Code != 0 || f.Message != "" {
		wire.WriteError(w, &wire.Error{Status: f.Status, Code: f.Code, Message: f.Message})
		return
	}
	switch f.Status {
	case http.StatusInternalServerError:
		wire.WriteError(w, wire.Internal())
	case http.StatusServiceUnavailable:
		writeText(w, f.Status, "text/plain; charset=utf-8", http.StatusText(f.Status))
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		title := fmt.Sprintf("%d %s", f.Status, map[int]string{
			http.StatusBadGateway: "Bad Gateway", http.StatusGatewayTimeout: "Gateway Time-out",
		}[f.Status])
		writeText(w, f.Status, "text/html", "<html>\r\n<head><title>"+title+"</title></head>\r\n<body>\r\n<center><h1>"+title+
			"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
	default:
		wire.WriteError(w, wire.Plain(f.Status, "%s", http.StatusText(f.Status)))
	}
}

func writeText(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a client that is gone is not our error
}
