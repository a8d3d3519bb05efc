package app

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
)

// NewLog writes as the options say. "auto" is coloured text for a terminal and JSON for everything else.
func NewLog(o Options, w *os.File) *slog.Logger {
	terminal := false
	if info, err := w.Stat(); err == nil {
		terminal = info.Mode()&os.ModeCharDevice != 0
	}
	switch {
	case o.LogFormat == "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: o.LogLevel}))
	case o.LogFormat == "auto" && terminal:
		return slog.New(tint.NewTextHandler(io.Writer(w), &tint.Options{Level: o.LogLevel, TimeFormat: "15:04:05.000"}))
	default:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.LogLevel, ReplaceAttr: readably}))
	}
}

// readably writes durations as flags take them, "10s", where slog writes a number of nanoseconds.
func readably(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.String(a.Key, a.Value.Duration().String())
	}
	return a
}
