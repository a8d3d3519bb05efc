package loop

import (
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"
)

// Exception is something that went wrong and that no caller is there to hear of.
type Exception struct {
	Message string // what happened
	Err     error  // why; a *PanicError has the stack
	Source  string // name of the callback or task
}

// ExceptionHandler hears of exceptions, on the loop.
type ExceptionHandler func(Exception)

// SetExceptionHandler decides what becomes of exceptions from now on; nil restores the default, an error to
// slog.Default(). The loop goes on in any case, unless the handler itself ends the process.
func (l *Loop) SetExceptionHandler(handler ExceptionHandler) {
	l.own("SetExceptionHandler")
	l.exception = handler
}

// CallExceptionHandler gives an exception to the handler that is set.
func (l *Loop) CallExceptionHandler(e Exception) {
	l.own("CallExceptionHandler")
	l.report(e)
}

func (l *Loop) report(e Exception) {
	if l.exception == nil {
		logException(e)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			logException(e)
			err := &PanicError{Value: v, Stack: debug.Stack()}
			logException(Exception{Message: "the exception handler panicked", Err: err, Source: e.Source})
		}
	}()
	l.exception(e)
}

func logException(e Exception) {
	attrs := []any{"error", e.Err, "source", e.Source}
	if p, ok := e.Err.(*PanicError); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	slog.Default().Error("loop: "+e.Message, attrs...)
}

// nameOf is the name of what runs: its own Name if it has one, else that of the function or the type.
func nameOf(r Runner) string {
	switch r := r.(type) {
	case nil:
		return ""
	case interface{ Name() string }:
		return r.Name()
	case Func:
		return nameOfFunc(r)
	}
	return reflect.TypeOf(r).String()
}

// nameOfFunc is a function's full name; "func1" and the like stand for literals inside the one named before.
func nameOfFunc(fn any) string {
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		return f.Name()
	}
	return "nil"
}
