package feed

import "regexp"

// star stands for all symbols.
const star = "*"

// patterns are what symbols look like in each class. A symbol of the right form need not exist.
type patterns map[Class]*regexp.Regexp

func symbolPatterns() patterns {
	stock := regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}([./][A-Z0-9]{1,4})*$`)
	return patterns{
		Stocks:  stock,
		Test:    stock,
		Crypto:  regexp.MustCompile(`^[A-Z0-9]{1,15}(/[A-Z0-9]{2,10}|-PERP)$`),
		Options: regexp.MustCompile(`^[A-Z][A-Z0-9]{0,5}\d{6}[CP]\d{8}$`),
		News:    regexp.MustCompile(`^[A-Z0-9][A-Z0-9./]{0,20}$`),
	}
}

func (p patterns) valid(class Class, symbol string) bool {
	return symbol == star || p[class].MatchString(symbol)
}
