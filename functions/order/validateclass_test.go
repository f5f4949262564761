package order_test

import "testing"

const (
	bracketBuy = `{"qty":10,"time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"120"},"stop_loss":{"stop_price":"90"}}`
	ocoSell    = `{"side":"sell","type":"limit","time_in_force":"gtc","order_class":"oco","take_profit":{"limit_price":"120"},"stop_loss":{"stop_price":"90"}}`
	otoBuy     = `{"order_class":"oto","stop_loss":{"stop_price":"90"}}`
)

func TestValidateLegsGiven(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"bracket", bracketBuy, ""},
		{"bracket without profit", with(t, bracketBuy, `{"take_profit":null}`), "take_profit"},
		{"bracket without stop", with(t, bracketBuy, `{"stop_loss":null}`), "stop_loss"},
		{"bracket with an empty profit", with(t, bracketBuy, `{"take_profit":{}}`), "take_profit.limit_price"},
		{"bracket with an empty stop", with(t, bracketBuy, `{"stop_loss":{}}`), "stop_loss.stop_price"},
		{"bracket with only the stop's limit", with(t, bracketBuy, `{"stop_loss":{"limit_price":89}}`), "stop_loss.stop_price"},
		{"bracket with a stop limit", with(t, bracketBuy, `{"stop_loss":{"stop_price":90,"limit_price":89}}`), ""},
		{"oco", ocoSell, ""},
		{"oco with the parent's limit price", with(t, ocoSell, `{"limit_price":120}`), ""},
		{"oco with a sub-penny limit price", with(t, ocoSell, `{"limit_price":"120.001"}`), "limit_price"},
		{"oco with two limit prices", with(t, ocoSell, `{"limit_price":119}`), "limit_price"},
		{"oco market", with(t, ocoSell, `{"type":"market"}`), "type"},
		{"oco without profit", with(t, ocoSell, `{"take_profit":null}`), "take_profit"},
		{"oto with a stop", otoBuy, ""},
		{"oto with a profit", `{"order_class":"oto","take_profit":{"limit_price":"120"}}`, ""},
		{"oto with both", with(t, otoBuy, `{"take_profit":{"limit_price":"120"}}`), "take_profit"},
		{"oto with neither", `{"order_class":"oto"}`, "take_profit"},
		{"profit without a class", `{"take_profit":{"limit_price":120}}`, "take_profit"},
		{"stop with the simple class", `{"order_class":"simple","stop_loss":{"stop_price":90}}`, "stop_loss"},
	})
}

func TestValidateClassConditions(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"bracket ioc", with(t, bracketBuy, `{"time_in_force":"ioc"}`), "time_in_force"},
		{"bracket opg", with(t, bracketBuy, `{"time_in_force":"opg"}`), "time_in_force"},
		{"bracket day", with(t, bracketBuy, `{"time_in_force":"day"}`), ""},
		{"bracket in extended hours", with(t, bracketBuy, `{"type":"limit","limit_price":100,"extended_hours":true}`), "extended_hours"},
		{"bracket of a trailing stop", with(t, bracketBuy, `{"type":"trailing_stop","trail_price":1}`), "type"},
		{"bracket of a limit order", with(t, bracketBuy, `{"type":"limit","limit_price":100}`), ""},
		{"bracket of a limit order without its price", with(t, bracketBuy, `{"type":"limit"}`), "limit_price"},
		{"bracket by notional", with(t, bracketBuy, `{"qty":null,"notional":100,"time_in_force":"day"}`), "order_class"},
	})
}

func TestValidateLegPrices(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"sub-penny profit", with(t, bracketBuy, `{"take_profit":{"limit_price":"120.001"}}`), "take_profit.limit_price"},
		{"negative profit", with(t, bracketBuy, `{"take_profit":{"limit_price":-1}}`), "take_profit.limit_price"},
		{"sub-penny stop", with(t, bracketBuy, `{"stop_loss":{"stop_price":"90.001"}}`), "stop_loss.stop_price"},
		{"zero stop", with(t, bracketBuy, `{"stop_loss":{"stop_price":0}}`), "stop_loss.stop_price"},
		{"sub-penny stop limit", with(t, bracketBuy, `{"stop_loss":{"stop_price":90,"limit_price":"89.999"}}`), "stop_loss.limit_price"},
		{"zero stop limit", with(t, bracketBuy, `{"stop_loss":{"stop_price":90,"limit_price":0}}`), "stop_loss.limit_price"},
		{"sub-penny leg of an oto", `{"order_class":"oto","take_profit":{"limit_price":"120.001"}}`, "take_profit.limit_price"},
	})
}

// TestValidateLegRelations: profit and stop lie on their own sides of each other and of the entry.
func TestValidateLegRelations(t *testing.T) {
	t.Parallel()
	const (
		profitBelow = `{"take_profit":{"limit_price":"80"}}`
		equal       = `{"take_profit":{"limit_price":"90"}}`
		aCent       = `{"take_profit":{"limit_price":"90.01"}}`
		reversed    = `{"take_profit":{"limit_price":"90"},"stop_loss":{"stop_price":"120"}}`
	)
	sellBracket := with(t, bracketBuy, `{"side":"sell"}`)
	buyOCO := with(t, ocoSell, `{"side":"buy"}`)
	limitAt := func(body, price string) string { return with(t, body, `{"type":"limit","limit_price":`+price+`}`) }
	check(t, []rule{
		{"buy bracket reversed", with(t, bracketBuy, profitBelow), "take_profit.limit_price"},
		{"buy bracket at the same price", with(t, bracketBuy, equal), "take_profit.limit_price"},
		{"buy bracket a cent apart", with(t, bracketBuy, aCent), ""},
		{"sell bracket with a buyer's legs", sellBracket, "take_profit.limit_price"},
		{"sell bracket", with(t, sellBracket, reversed), ""},
		{"sell oco reversed", with(t, ocoSell, profitBelow), "take_profit.limit_price"},
		{"buy oco with a seller's legs", buyOCO, "take_profit.limit_price"},
		{"buy oco", with(t, buyOCO, reversed), ""},

		{"buy bracket, stop a cent under its entry", limitAt(bracketBuy, "90.01"), ""},
		{"buy bracket, stop at its entry", limitAt(bracketBuy, "90"), "stop_loss.stop_price"},
		{"buy bracket, stop above its entry", limitAt(bracketBuy, "80"), "stop_loss.stop_price"},
		{"sell bracket, stop above its entry", limitAt(with(t, sellBracket, reversed), "119.99"), ""},
		{"sell bracket, stop under its entry", limitAt(with(t, sellBracket, reversed), "121"), "stop_loss.stop_price"},
		{"buy oto, stop under its entry", limitAt(otoBuy, "91"), ""},
		{"buy oto, stop above its entry", limitAt(otoBuy, "89"), "stop_loss.stop_price"},
	})
}
