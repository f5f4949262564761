// Package event is everything the project does with CloudEvents 1.0: the types and payloads it speaks, how an
// event is made and published, and how a function receives one at least once and acts on it once.
//
// It stands on the CloudEvents Go SDK (event, binding and HTTP protocol packages). The SDK's client is left
// out: it brings its own server and retry loop, while a function already has a server and the broker or the
// outbox retries.
package event
