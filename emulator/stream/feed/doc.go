// Package feed serves Alpaca's market data WebSockets: the handshake, subscriptions, and the messages of every feed.
//
// One goroutine walks the market for what is subscribed to and hands each message, written once for each codec, to the
// queues of those who want it; each connection has its own goroutine that empties its queue, so that a slow client holds up
// nobody. Lock order: feed, then outbox. Nothing else is locked while one of them is held.
package feed
