package process

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Conn is one connection over which one caller asks and reads, in HTTP/1.1, as curl does. http.Client hands each call
// and its answer from one goroutine to another, and what that takes would be in the figures.
type Conn struct {
	conn net.Conn
	in   *bufio.Reader
	host string
}

// Dial opens a connection of its own.
func (s *Server) Dial() (*Conn, error) {
	host := strings.TrimPrefix(s.URL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, bufio.NewReader(conn), host}, nil
}

// Close closes the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// Call calls without a body, and reads the answer. A status other than 200, 201 and 202 is an error.
func (c *Conn) Call(method, path string) error {
	ask := method + " " + path + " HTTP/1.1\r\nHost: " + c.host + "\r\nContent-Length: 0\r\n\r\n"
	if _, err := io.WriteString(c.conn, ask); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode > http.StatusAccepted {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, text)
	}
	return err
}
