package data

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// logo answers with a picture: a pattern of the asset's own for assets that are listed, else a gray placeholder.
func (api *API) logo(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	placeholder := q.flag("placeholder", true)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	symbol := r.PathValue("symbol")
	_, listed := api.Catalogue.Find(symbol)
	if !listed && !placeholder {
		wire.WriteError(w, wire.Plain(http.StatusNotFound, "no logo found for %s", symbol))
		return
	}
	dice := uint64(0)
	if listed {
		dice = mix(0, symbol)
	}
	var body bytes.Buffer
	if err := png.Encode(&body, pattern(dice)); err != nil {
		wire.WriteError(w, err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(body.Bytes()) // a client that is gone is not an error of ours
}

// pattern is a square of fields, the same on the left as on the right.
func pattern(dice uint64) image.Image {
	const fields, size = 5, 20
	ink := color.RGBA{R: uint8(dice >> 40), G: uint8(dice >> 48), B: uint8(dice >> 56), A: 255}
	paper := color.RGBA{R: 240, G: 240, B: 240, A: 255}
	picture := image.NewRGBA(image.Rect(0, 0, fields*size, fields*size))
	for y := range fields * size {
		for x := range fields * size {
			column := min(x/size, fields-1-x/size)
			if dice>>(column*fields+y/size)&1 == 1 {
				picture.SetRGBA(x, y, ink)
			} else {
				picture.SetRGBA(x, y, paper)
			}
		}
	}
	return picture
}
