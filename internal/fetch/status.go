package fetch

import (
	"strconv"
	"strings"

	"github.com/awaitd/awaitd/internal/record"
)

// A status range names statuses of three digits. Answers may carry odder ones (0, 99): they are in no range.
const (
	statusLeast = 100
	statusMost  = 999
)

const errStatusRange = sentence(`A status is written "503", "5xx" or "500-599".`)

// ParseStatusRange reads "503", "5xx" or "500-599". Statuses lie between 100 and 999.
func ParseStatusRange(s string) (record.StatusRange, error) {
	if len(s) == 3 && strings.EqualFold(s[1:], "xx") && s[0] >= '1' && s[0] <= '9' {
		from := int(s[0]-'0') * 100
		return record.StatusRange{From: from, To: from + 99}, nil
	}
	low, high, ranged := strings.Cut(s, "-")
	from, ok := parseStatus(low)
	if !ok {
		return record.StatusRange{}, errStatusRange
	}
	if !ranged {
		return record.StatusRange{From: from, To: from}, nil
	}
	to, ok := parseStatus(high)
	if !ok || to < from {
		return record.StatusRange{}, errStatusRange
	}
	return record.StatusRange{From: from, To: to}, nil
}

// parseStatus reads exactly three digits, the first not 0.
func parseStatus(s string) (int, bool) {
	if len(s) != 3 || s[0] < '1' || s[0] > '9' || s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
