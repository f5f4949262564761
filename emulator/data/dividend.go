package data

import (
	"strconv"
	"time"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// firstActionYear is when corporate actions begin, with the history of stocks.
const firstActionYear = 2016

// dividend is a payment of cash on a stock. Dates are midnights in UTC.
type dividend struct {
	symbol                      string
	exDate, recordDate, payable time.Time
	rate                        decimal.Decimal // USD a share
}

// dividendsOf returns the dividends of a stock in a year, in order: none for four stocks in ten, else one a quarter of
// 0.2 % to 0.8 % of the listed price, a function of the seed.
func dividendsOf(seed uint64, stock *asset.Asset, year int) []dividend {
	dice := mix(seed, stock.Symbol)
	if dice%10 < 4 {
		return nil
	}
	cents := int64(stock.Price.InexactFloat64() * float64(20+dice>>8%60) / 100)
	rate := udecimal.MustFromInt64(max(1, cents), 2)
	list := make([]dividend, 0, 4)
	for quarter := range 4 {
		month := time.Month(1 + quarter*3 + int(dice>>16%3))
		day := 3 + int(mix(dice, strconv.Itoa(year*4+quarter))%20)
		exDate := weekday(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
		list = append(list, dividend{
			symbol: stock.Symbol, exDate: exDate, recordDate: exDate, payable: weekday(exDate.AddDate(0, 0, 14)), rate: rate,
		})
	}
	return list
}

// weekday moves a weekend's date to Monday.
func weekday(date time.Time) time.Time {
	switch date.Weekday() {
	case time.Saturday:
		return date.AddDate(0, 0, 2)
	case time.Sunday:
		return date.AddDate(0, 0, 1)
	default:
		return date
	}
}
