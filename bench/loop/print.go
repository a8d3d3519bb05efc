package main

import "fmt"

// print writes the tables and returns how many gates were missed.
func (r *report) print() (missed int) {
	judge := func(ok bool) string {
		if ok {
			return "PASS"
		}
		missed++
		return "MISS"
	}
	r.printTimes(judge)
	r.printGates(judge)
	r.printWeights(judge)
	fmt.Printf("%d missed\n", missed)
	return missed
}

func (r *report) printTimes(judge func(bool) string) {
	fmt.Printf("| operation | Go ns | asyncio ns | uvloop ns | times asyncio | times uvloop | >= %d | allocations |\n",
		timesPeers)
	fmt.Println("|---|---:|---:|---:|---:|---:|---|---|")
	for _, row := range rows {
		t := r.times[row.name]
		if t == nil {
			continue
		}
		verdict, free := "", fmt.Sprintf("%.0f", median(t.allocs))
		if row.free {
			free += " " + judge(median(t.allocs) == 0)
		}
		asyncio, uvloop := "–", "–"
		if row.peer != "" {
			a, u := ratio(t.asyncio, t.goes), ratio(t.uvloop, t.goes)
			asyncio, uvloop = fmt.Sprintf("%.1f", a), fmt.Sprintf("%.1f", u)
			verdict = judge(a >= timesPeers && u >= timesPeers)
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s |\n", row.name,
			figure(t.goes), figure(t.asyncio), figure(t.uvloop), asyncio, uvloop, verdict, free)
	}
	fmt.Println()
}

func (r *report) printGates(judge func(bool) string) {
	fmt.Println("| against the bare thing, same process | ratio | at most | |")
	fmt.Println("|---|---:|---:|---|")
	for _, g := range gates {
		if all := r.gates[g.name]; all != nil {
			fmt.Printf("| %s | %.2f | %.1f | %s |\n", g.name, median(all), g.most, judge(median(all) <= g.most))
		}
	}
	fmt.Println()
}

// printWeights shows also where the peers are smaller: a coroutine of theirs is an object, ours has a stack.
func (r *report) printWeights(judge func(bool) string) {
	fmt.Println("| memory of one, bytes of resident set | Go | asyncio | uvloop | asyncio / Go | at most | |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---|")
	for _, w := range weights {
		t := r.weights[w.name]
		if t == nil {
			continue
		}
		most, verdict := "", ""
		if w.most > 0 {
			most, verdict = fmt.Sprintf("%.0f", w.most), judge(median(t.goes) <= w.most)
		}
		fmt.Printf("| %s | %s | %s | %s | %.2f | %s | %s |\n", w.name,
			figure(t.goes), figure(t.asyncio), figure(t.uvloop), ratio(t.asyncio, t.goes), most, verdict)
	}
	fmt.Println()
}

func figure(all []float64) string {
	switch m := median(all); {
	case len(all) == 0:
		return "–"
	case m < 100:
		return fmt.Sprintf("%.1f", m)
	default:
		return fmt.Sprintf("%.0f", m)
	}
}
