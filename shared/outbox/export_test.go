package outbox

// HoldEvery is how long a relay trusts its lease.
const HoldEvery = holdEvery
