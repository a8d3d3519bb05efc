package server

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/awaitd/awaitd/api/contract"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "record the answers in testdata/*.txt anew")

// spec checks every answer that any test of this package gets.
var spec = func() *contract.Spec {
	s, err := contract.New()
	if err != nil {
		panic(err)
	}
	return s
}()

// unseenAnswers are documented and cannot be given. Lists read the store and do not pass the loop: nothing is full, and
// they go on after its end.
var unseenAnswers = []string{"GET /groups 429", "GET /groups 503", "GET /events 429", "GET /events 503"}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	if code == 0 && whole && flag.Lookup("test.list").Value.String() == "" {
		code = complete()
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// complete demands that the tests have seen everything that the contract documents and this version can answer.
func complete() int {
	missing := slices.DeleteFunc(spec.Unseen(), func(a string) bool {
		return slices.Contains(unseenAnswers, a)
	})
	codes := spec.UnseenCodes()
	if len(missing)+len(codes) == 0 {
		return 0
	}
	fmt.Fprintln(os.Stderr, "FAIL: documented, but no test has seen it:")
	for _, a := range missing {
		fmt.Fprintln(os.Stderr, "   ", a)
	}
	for _, c := range codes {
		fmt.Fprintln(os.Stderr, "    code", c)
	}
	return 1
}
