// Package broker is the Knative Broker of a single machine. It reads the same Broker and Trigger manifests that a
// cluster gets and delivers by the same rules, so that what works under `make run` works there:
//
//   - an event is posted to each Trigger whose filter it passes, in binary mode, with knativearrivaltime added;
//   - no answer, 5xx, 404, 408, 409 and 429 are tried again as spec.delivery says; any other answer that is no
//     2xx goes to the dead-letter sink at once, as does an event whose retries are used up;
//   - a 2xx must have no body or be a CloudEvent, which is then published; anything else counts as a 502.
//
// Two things are as with the Kafka broker in its ordered mode and not as with the in-memory channel: the publisher
// is answered at once, and the events of one partitionkey reach a Trigger one after the other. Nothing is kept
// when the process ends.
package broker
