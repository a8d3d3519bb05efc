package tidy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// marks tells a licence by words that its text must hold and that the others do not; the first that fits counts.
var marks = []struct {
	licence string
	words   []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0, January 2004"}},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}},
	{"AGPL-3.0", []string{"GNU AFFERO GENERAL PUBLIC LICENSE"}},
	{"LGPL", []string{"GNU LESSER GENERAL PUBLIC LICENSE"}},
	{"GPL", []string{"GNU GENERAL PUBLIC LICENSE"}},
	{"BUSL-1.1", []string{"Business Source License"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"MIT", []string{"Permission is hereby granted, free of charge", "without restriction"}},
	{"BSD-3-Clause", []string{bsdGrant, "Neither the name"}},
	{"BSD-3-Clause", []string{bsdGrant, "names of its contributors may not be used"}},
	{"BSD-2-Clause", []string{bsdGrant}},
}

const bsdGrant = "Redistribution and use in source and binary forms"

// licenceOf names the licence of a text, or "unknown".
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(text), " ") // line breaks differ
	for _, m := range marks {
		missing := func(word string) bool { return !strings.Contains(text, word) }
		if !slices.ContainsFunc(m.words, missing) {
			return m.licence
		}
	}
	return "unknown"
}

// TestEveryDependencyMayBeLinked: each module of go.mod carries a licence of the table in house.go. Modules that this
// machine never needed have no text here to read; in CI all are downloaded first, and a missing one fails.
func TestEveryDependencyMayBeLinked(t *testing.T) {
	cache := goEnv(t, "GOMODCACHE")
	modules := requirements(t)
	if len(modules) < 10 {
		t.Fatalf("go.mod requires %d modules: this is not how it is read", len(modules))
	}
	for _, m := range modules {
		folder := filepath.Join(cache, escaped(m.path)+"@"+escaped(m.version))
		if _, err := os.Stat(folder); err != nil {
			if os.Getenv("AWAITD_CI") != "" {
				t.Errorf("%s is not in the module cache: go mod download", m.path)
			}
			continue
		}
		if licence := licenceIn(t, folder); !slices.Contains(licences, licence) {
			t.Errorf("%s is under %s, which is not in the table", m.path, licence)
		}
	}
}

// TestLicencesAreToldApart: the reader of licences can say no.
func TestLicencesAreToldApart(t *testing.T) {
	ours, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	bsd := strings.Replace(bsdGrant, " ", "\n", 3)
	for text, want := range map[string]string{
		string(ours):                          "Apache-2.0",
		bsd:                                   "BSD-2-Clause",
		bsd + "\nNeither the name of":         "BSD-3-Clause",
		"GNU AFFERO GENERAL\n PUBLIC LICENSE": "AGPL-3.0",
		"All rights reserved.":                "unknown",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("licence of %.40q = %s, want %s", text, got, want)
		}
	}
	if slices.Contains(licences, "AGPL-3.0") || slices.Contains(licences, "unknown") {
		t.Error("the table allows what it must not")
	}
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

type requirement struct{ path, version string }

// requirements reads the lines "path version" of go.mod's require blocks.
func requirements(t *testing.T) []requirement {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var found []requirement
	line := regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+) (v\S+)`)
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		found = append(found, requirement{m[1], m[2]})
	}
	return found
}

// escaped writes a path as the module cache does: a capital is an exclamation mark and the small letter.
func escaped(path string) string {
	return regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(path, func(c string) string {
		return "!" + strings.ToLower(c)
	})
}

// licenceIn reads the first licence file of a module.
func licenceIn(t *testing.T, folder string) string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if regexp.MustCompile(`(?i)^(licen[cs]e|copying)`).MatchString(e.Name()) && e.Type().IsRegular() {
			text, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			return licenceOf(string(text))
		}
	}
	return "no licence file"
}
