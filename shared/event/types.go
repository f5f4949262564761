package event

// The event types. Names never change meaning; a payload that changes incompatibly gets a new type.
const (
	// TypeOrderRequested is the command to place one order; data is OrderRequested.
	TypeOrderRequested = "ai.opitios.order.requested"
	// TypeOrderCancelRequested is the command to cancel one order; data is OrderCancelRequested.
	TypeOrderCancelRequested = "ai.opitios.order.cancel_requested"

	// TypeOrderAccepted says that Alpaca took the order; data of this and the next six is OrderChanged.
	TypeOrderAccepted = "ai.opitios.order.accepted"
	// TypeOrderRejected says that Alpaca or a check of ours refused the order.
	TypeOrderRejected = "ai.opitios.order.rejected"
	// TypeOrderPartiallyFilled says that a part of the order was executed.
	TypeOrderPartiallyFilled = "ai.opitios.order.partially_filled"
	// TypeOrderFilled says that the last part of the order was executed.
	TypeOrderFilled = "ai.opitios.order.filled"
	// TypeOrderCanceled says that the order was canceled; what had been filled stays filled.
	TypeOrderCanceled = "ai.opitios.order.canceled"
	// TypeOrderExpired says that the order's time in force ran out.
	TypeOrderExpired = "ai.opitios.order.expired"
	// TypeOrderReplaced says that another order took this one's place.
	TypeOrderReplaced = "ai.opitios.order.replaced"

	// TypeAccountUpdated says that balances or status changed; data is AccountUpdated.
	TypeAccountUpdated = "ai.opitios.account.updated"

	// TypePositionOpened says that a position went from none to some; data of these three is PositionChanged.
	TypePositionOpened = "ai.opitios.position.opened"
	// TypePositionChanged says that the size of a position changed.
	TypePositionChanged = "ai.opitios.position.changed"
	// TypePositionClosed says that a position went to none.
	TypePositionClosed = "ai.opitios.position.closed"

	// TypeQuoteCrossed says that a price passed a level that a rule watches; data is QuoteCrossed.
	TypeQuoteCrossed = "ai.opitios.quote.crossed"

	// TypeMarketPreopen comes before the open, to warm up; data of these four is MarketSession.
	TypeMarketPreopen = "ai.opitios.market.preopen"
	// TypeMarketOpened says that the regular session began.
	TypeMarketOpened = "ai.opitios.market.opened"
	// TypeMarketClosing comes before the close, while orders still reach the session.
	TypeMarketClosing = "ai.opitios.market.closing"
	// TypeMarketClosed says that the regular session ended.
	TypeMarketClosed = "ai.opitios.market.closed"

	// TypeRiskBreached says that an account or everything together passed a risk limit; data is RiskBreached.
	TypeRiskBreached = "ai.opitios.risk.breached"
	// TypePing is what a PingSource of Knative sends; it can't be given another type. The extension tick (ExtensionTick)
	// tells one source's ticks from another's.
	TypePing = "dev.knative.sources.ping"
	// TypeSweepTick wakes the sweeper of unsettled order intents; data is SweepTick.
	TypeSweepTick = "ai.opitios.sweep.tick"
)

// Types returns every type, in the order above.
func Types() []string {
	return []string{
		TypeOrderRequested, TypeOrderCancelRequested, TypeOrderAccepted, TypeOrderRejected, TypeOrderPartiallyFilled,
		TypeOrderFilled, TypeOrderCanceled, TypeOrderExpired, TypeOrderReplaced, TypeAccountUpdated,
		TypePositionOpened, TypePositionChanged, TypePositionClosed, TypeQuoteCrossed, TypeMarketPreopen,
		TypeMarketOpened, TypeMarketClosing, TypeMarketClosed, TypeRiskBreached, TypeSweepTick,
	}
}

// Known reports whether eventType is one of Types.
func Known(eventType string) bool {
	switch eventType {
	case TypeOrderRequested, TypeOrderCancelRequested, TypeOrderAccepted, TypeOrderRejected, TypeOrderPartiallyFilled,
		TypeOrderFilled, TypeOrderCanceled, TypeOrderExpired, TypeOrderReplaced, TypeAccountUpdated,
		TypePositionOpened, TypePositionChanged, TypePositionClosed, TypeQuoteCrossed, TypeMarketPreopen,
		TypeMarketOpened, TypeMarketClosing, TypeMarketClosed, TypeRiskBreached, TypeSweepTick:
		return true
	default:
		return false
	}
}

// IsCommand reports whether an event of this type asks for a side effect: it needs a proof, its payload is
// closed (an unknown field is an error), and it may carry an expiry.
func IsCommand(eventType string) bool {
	return eventType == TypeOrderRequested || eventType == TypeOrderCancelRequested
}
