package fetch

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// continueTrace gives the traceparent of a span of ours under that of the submitter (W3C Trace Context 1,
// version 00), or "" when parent is not one.
func continueTrace(parent string, span uint64) string {
	parts := strings.Split(parent, "-")
	if len(parts) != 4 || parts[0] != "00" || !isTraceField(parts[1], 32) || !isTraceField(parts[2], 16) ||
		!isLowerHex(parts[3], 2) {
		return ""
	}
	if span == 0 {
		span = 1 // zero means "no span"
	}
	return "00-" + parts[1] + "-" + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, span)) + "-" + parts[3]
}

// isTraceField reports n lower-case hexadecimal digits, not all zero.
func isTraceField(s string, n int) bool { return isLowerHex(s, n) && strings.Trim(s, "0") != "" }

func isLowerHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
