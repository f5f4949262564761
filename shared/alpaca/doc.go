// Package alpaca is the client of Alpaca's Trading and Market Data REST APIs and of its trade-event stream.
//
// One Client serves every account: the credentials travel with each call, the connections are shared. The client
// never repeats a request that may change something. An answer that was lost is reported as ErrOutcomeUnknown, and
// the caller finds out what happened by client order ID. Prices, quantities and money are decimals throughout.
package alpaca
