package market

// effect is what a trade changes in a bar.
type effect uint8

const (
	updatesEnds      effect = 1 << iota // open and close
	updatesExtremes                     // high and low
	updatesVolume                       // volume, and with the extremes the volume-weighted price
	updatesEmptyEnds                    // open and close of a bar that has none yet

	updatesAll     = updatesEnds | updatesExtremes | updatesVolume | updatesEmptyEnds
	updatesNothing = effect(0)
)

// effectOf returns what a trade of a stock changes, by the rules of Alpaca's market data FAQ; of several conditions the
// strictest decides.
func effectOf(conditions, tape string, daily bool) effect {
	result := updatesAll
	for i := range len(conditions) {
		result &= effectOfCondition(conditions[i], tape, daily)
	}
	return result
}

func effectOfCondition(condition byte, tape string, daily bool) effect {
	switch condition {
	case 'B':
		if tape == "A" || tape == "B" {
			return updatesVolume
		}
	case 'C', 'H', 'I', 'N', 'R', 'U', 'V', 'W', '7':
		return updatesVolume
	case 'M', 'Q':
		return updatesNothing
	case '9':
		if daily {
			return updatesEnds | updatesExtremes | updatesEmptyEnds
		}
		return updatesNothing
	case 'T':
		if daily {
			return updatesVolume
		}
	case 'G', 'P', 'Z', '4':
		if daily {
			return updatesExtremes | updatesVolume | updatesEmptyEnds
		}
		return updatesVolume
	}
	return updatesAll
}
