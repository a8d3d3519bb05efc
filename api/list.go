package api

// Bounds of lists.
const (
	PageDefault = 100  // items on a page when limit is not given
	PageMax     = 1000 // the highest limit
)

// FuturePage is one page of GET /futures, newest first.
type FuturePage struct {
	Futures    []Future `json:"futures"`
	NextCursor *string  `json:"next_cursor"` // nil on the last page
}

// EventPage is one page of GET /events, by name.
type EventPage struct {
	Events     []Event `json:"events"`
	NextCursor *string `json:"next_cursor"` // nil on the last page
}
