package cache

import (
	"fmt"
	"time"
)

// Field is one field of a record.
type Field struct {
	Name, Value string
	// Moment is the market's own time of a part of KindLatest; zero for everything else.
	Moment time.Time
}

// moment is the Moment as put.lua compares it: 19 digits, so that the order of the text is that of the time.
func (f Field) moment() string {
	if f.Moment.IsZero() {
		return ""
	}
	return fmt.Sprintf("%019d", max(0, f.Moment.UnixNano()))
}

// Fields are what a record consists of.
type Fields []Field

// Document is the fields of a value that is one document.
func Document(data []byte) Fields { return Fields{{Name: fieldData, Value: string(data)}} }

// Document returns the document, and false for a record that holds none.
func (r *Record) Document() ([]byte, bool) {
	data, ok := r.Fields[fieldData]
	return []byte(data), ok
}

func (f Fields) size() int {
	size := 0
	for _, field := range f {
		size += len(field.Value)
	}
	return size
}

// record is the record that the fields make when they are written at asOf.
func (f Fields) record(asOf time.Time) *Record {
	record := &Record{Fields: make(map[string]string, len(f)), AsOf: asOf}
	for _, field := range f {
		if field.Moment.IsZero() {
			record.Fields[field.Name] = field.Value
			continue
		}
		record.Fields[field.Name] = fmt.Sprintf("%s %013d %s", field.moment(), asOf.UnixMilli(), field.Value)
	}
	return record
}

func unknownFields() Fields { return Fields{{Name: fieldUnknown, Value: "1"}} }
