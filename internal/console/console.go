// Package console is the web console: files for a browser, which use the public API and nothing else.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed static
var static embed.FS

// Prefix begins the path of every file of the console but its page, which is served at /.
const Prefix = "/console/"

// Console serves the files. Any goroutine.
type Console struct {
	files map[string]*file // by path below Prefix
	page  *file
}

// file is one file, ready to be sent.
type file struct {
	contentType string
	policy      string // for pages: what they may load
	etag        string
	plain       []byte
	zipped      []byte // nil: not worth it
}

// New reads the embedded files. It panics when one is broken, which every test would show.
func New() *Console {
	c := &Console{files: map[string]*file{}}
	zip, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // the level is a good one
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := static.ReadFile(name)
		c.files[strings.TrimPrefix(name, "static/")] = newFile(name, content, zip)
		return err
	})
	if err != nil {
		panic("console: " + err.Error())
	}
	c.page = c.files["index.html"]
	return c
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".md": "text/markdown; charset=utf-8",
}

// newFile compresses with zip, which serves for all files: each of their own would take a MiB of memory.
func newFile(name string, content []byte, zip *gzip.Writer) *file {
	sum := sha256.Sum256(content)
	f := &file{plain: content, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, contentType: contentTypes[path.Ext(name)]}
	if f.contentType == "" {
		f.contentType = mime.TypeByExtension(path.Ext(name))
	}
	if f.contentType == "" {
		f.contentType = "text/plain; charset=utf-8"
	}
	if path.Ext(name) == ".html" {
		f.policy = policyOf(content)
	}
	var zipped bytes.Buffer
	zip.Reset(&zipped)
	_, _ = zip.Write(content) // into memory
	_ = zip.Close()
	if zipped.Len() < len(content)*9/10 {
		f.zipped = zipped.Bytes()
	}
	return f
}

var importMap = regexp.MustCompile(`(?s)<script type="importmap">(.*?)</script>`)

// policyOf allows a page what lies here and its own import map, and nothing from anywhere else. Pictures may also come
// from memory: the body of an answer, which the page has fetched with the caller's key.
func policyOf(page []byte) string {
	policy := "default-src 'none'; connect-src 'self'; style-src 'self'; img-src 'self' blob:; script-src 'self'"
	if m := importMap.FindSubmatch(page); m != nil {
		sum := sha256.Sum256(m[1])
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return policy + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// Has reports whether there is a file for the path of a request.
func (c *Console) Has(path string) bool { return c.find(path) != nil }

func (c *Console) find(path string) *file {
	if path == "/" {
		return c.page
	}
	return c.files[strings.TrimPrefix(path, Prefix)]
}

// ServeHTTP answers GET and HEAD of what it has.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := c.find(r.URL.Path)
	if f == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // may be kept, if its ETag is asked for first
	h.Set("Vary", "Accept-Encoding")
	h.Set("Referrer-Policy", "no-referrer")
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
	}
	if strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	_, _ = w.Write(body) // a browser that has gone needs no answer
}
