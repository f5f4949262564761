// Package auth decides who a caller is and what they may do: JSON Web Tokens for the API, and proofs for the
// commands that travel as events.
//
// # Tokens
//
// An access token is a JWT with iss "opitios-alpaca", aud "trading-api", account_id, permissions, sub, jti, iat and
// exp, and header typ "at+jwt" (RFC 9068; "JWT" and no typ are accepted). The kid header selects the key, a key has
// exactly one algorithm, and the token must name that one, so neither "none" nor an HMAC made with a public key
// can be accepted (RFC 8725). A verified token is cached for at most 60 seconds and never past exp.
//
// # Revocation
//
// A revoked jti is stored in Redis until the token would have expired, and announced to every instance, which
// forgets the token at once. When an announcement is lost, the cache ends the token within 60 seconds. Every instance
// keeps a copy of all revocations: a Redis that lost its data gets them back within a second, as long as one still runs.
// Until then an instance that starts just now accepts what was revoked.
//
// While Redis can't be reached, revocation can't be checked for a token that is not cached. Tokens with the admin
// permission are then refused (503); all others pass, and are counted and logged. That is on purpose: refusing
// everybody would turn a Redis outage into a stop of every cancel order on every account, while a revoked token
// still reaches one account only and still ends at its exp.
//
// # Proofs
//
// A proof binds one CloudEvent (its id, type and the digest of its data) to an account and its permissions for at
// most five minutes. It is signed by a token key or, HS256, by the account's own Alpaca secret. Tokens and proofs
// can't stand in for each other: a proof needs ce_id, ce_type and data_sha256, and never has the audience
// "trading-api" or typ "at+jwt", while a token must have that audience. A proof signed by a token key has aud
// "trading-events" and typ "event-proof+jwt"; its audience is required. In a proof signed by an account's secret,
// which signs nothing else, aud and typ may be left out.
package auth
