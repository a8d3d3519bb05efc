package api

import (
	_ "embed"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapiYAML []byte

// OpenAPIYAML is the contract as it was written.
func OpenAPIYAML() []byte { return slices.Clone(openapiYAML) }

// OpenAPIJSON is the contract as JSON, its keys in the order of the YAML file.
func OpenAPIJSON() []byte { return slices.Clone(openapiJSON()) }

// openapiJSON panics when the embedded file is broken; a test reads it.
var openapiJSON = sync.OnceValue(func() []byte {
	var doc yaml.Node
	if err := yaml.Unmarshal(openapiYAML, &doc); err != nil {
		panic("api: openapi.yaml: " + err.Error())
	}
	out, err := appendNode(nil, doc.Content[0])
	if err != nil {
		panic("api: openapi.yaml: " + err.Error())
	}
	return out
})

// appendNode appends a YAML node as JSON. Going over nodes and not over a map keeps the order of keys.
func appendNode(b []byte, n *yaml.Node) (_ []byte, err error) {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = jsontext.AppendQuote(b, n.Content[i].Value); err != nil {
				return nil, err
			}
			if b, err = appendNode(append(b, ':'), n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, item := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendNode(b, item); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	default:
		return appendScalar(b, n)
	}
}

func appendScalar(b []byte, n *yaml.Node) ([]byte, error) {
	switch n.ShortTag() {
	case "!!int":
		var i int64
		err := n.Decode(&i)
		return strconv.AppendInt(b, i, 10), err
	case "!!float":
		var f float64
		err := n.Decode(&f)
		return jsontext.AppendFloat(b, f, 64), err
	case "!!bool":
		var v bool
		err := n.Decode(&v)
		return strconv.AppendBool(b, v), err
	case "!!null":
		return append(b, "null"...), nil
	default:
		return jsontext.AppendQuote(b, n.Value)
	}
}
