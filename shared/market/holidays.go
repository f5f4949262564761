package market

import "time"

// date is noon UTC, which lies on the same date in New York.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 12, 0, 0, 0, time.UTC)
}

// holidays returns the full-day closures that NYSE Rule 7.2 gives for a year.
func holidays(year int) []time.Time {
	days := []time.Time{
		nthWeekday(year, time.February, time.Monday, 3),
		easter(year).AddDate(0, 0, -2),
		lastMonday(year, time.May),
		observed(date(year, time.July, 4)),
		nthWeekday(year, time.September, time.Monday, 1),
		nthWeekday(year, time.November, time.Thursday, 4),
		observed(date(year, time.December, 25)),
	}
	// A New Year's Day on a Saturday is not observed on Friday, which is the last day of an accounting year.
	if newYear := date(year, time.January, 1); newYear.Weekday() != time.Saturday {
		days = append(days, observed(newYear))
	}
	if year >= 1998 {
		days = append(days, nthWeekday(year, time.January, time.Monday, 3))
	}
	if year >= 2022 {
		days = append(days, observed(date(year, time.June, 19)))
	}
	return days
}

// halfDays returns the candidates for a 13:00 close; a candidate that is closed altogether is none.
func halfDays(year int) []time.Time {
	days := []time.Time{nthWeekday(year, time.November, time.Thursday, 4).AddDate(0, 0, 1)}
	if fourth := date(year, time.July, 4); fourth.Weekday() >= time.Tuesday && fourth.Weekday() <= time.Friday {
		days = append(days, fourth.AddDate(0, 0, -1))
	}
	return append(days, date(year, time.December, 24))
}

// specialClosures are closed days that no rule gives: storms, mourning, attacks.
func specialClosures() []dateKey {
	return []dateKey{
		{2001, 9, 11}, {2001, 9, 12}, {2001, 9, 13}, {2001, 9, 14}, {2004, 6, 11}, {2007, 1, 2},
		{2012, 10, 29}, {2012, 10, 30}, {2018, 12, 5}, {2025, 1, 9},
	}
}

// observed moves a holiday on a weekend to the nearest weekday.
func observed(day time.Time) time.Time {
	switch day.Weekday() {
	case time.Saturday:
		return day.AddDate(0, 0, -1)
	case time.Sunday:
		return day.AddDate(0, 0, 1)
	default:
		return day
	}
}

func nthWeekday(year int, month time.Month, weekday time.Weekday, n int) time.Time {
	first := date(year, month, 1)
	offset := (int(weekday) - int(first.Weekday()) + 7) % 7
	return first.AddDate(0, 0, offset+7*(n-1))
}

func lastMonday(year int, month time.Month) time.Time {
	last := date(year, month+1, 1).AddDate(0, 0, -1)
	return last.AddDate(0, 0, -((int(last.Weekday()) + 6) % 7))
}

// easter returns Easter Sunday by the anonymous Gregorian algorithm.
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (b - (b+8)/25 + 1) / 3
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	month := (h + l - 7*m + 114) / 31
	day := (h+l-7*m+114)%31 + 1
	return date(year, time.Month(month), day)
}
