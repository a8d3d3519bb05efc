package server

import (
	"bytes"
	"encoding/base64"
	"mime"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// structuredCloudEvent is the media type of a CloudEvent that is in the body as a whole (CloudEvents 1.0, HTTP
// binding 3.2). In binary mode (3.1) the body is the data and Content-Type its type: that is any other webhook's form.
const structuredCloudEvent = "application/cloudevents+json"

// cloudEvent is what counts of a structured CloudEvent; its other attributes, extensions too, are left out.
type cloudEvent struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	ContentType string         `json:"datacontenttype"`
	Data        jsontext.Value `json:"data"`
	DataBase64  *string        `json:"data_base64"`
}

// payloadOf is what a set carries: the body, or the data of a CloudEvent; nil when there is none.
func payloadOf(contentType string, body []byte) (*record.Payload, error) {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && media == structuredCloudEvent {
		return cloudEventPayload(body)
	}
	if len(body) == 0 {
		return nil, nil
	}
	return &record.Payload{ContentType: contentType, Data: body}, nil
}

func cloudEventPayload(body []byte) (*record.Payload, error) {
	var e cloudEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, badEvent("", "Send one CloudEvent as a JSON object; this is none, or an attribute has the wrong type.")
	}
	switch {
	case e.SpecVersion != "1.0":
		return nil, badEvent("/specversion", "Send CloudEvents 1.0.")
	case e.ID == "" || e.Source == "" || e.Type == "":
		return nil, badEvent("", "A CloudEvent has id, source and type.")
	case e.Data != nil && e.DataBase64 != nil:
		return nil, badEvent("/data_base64", "Give one of data and data_base64.")
	}
	p := &record.Payload{ContentType: e.ContentType}
	switch {
	case e.DataBase64 != nil:
		data, err := base64.StdEncoding.DecodeString(*e.DataBase64)
		if err != nil {
			return nil, badEvent("/data_base64", "Give bytes in base64.")
		}
		p.Data = data
	case e.Data == nil:
		return nil, nil
	default:
		p.ContentType, p.Data = contentOf(e)
	}
	return p, nil
}

// contentOf is the data of an event in JSON (CloudEvents JSON format, 3.1): JSON unless its type says otherwise, and
// then a string stands for its text.
func contentOf(e cloudEvent) (contentType string, data []byte) {
	switch {
	case e.ContentType == "":
		return "application/json", e.Data
	case isJSON(e.ContentType) || e.Data.Kind() != '"':
		return e.ContentType, e.Data
	}
	text, err := jsontext.AppendUnquote(nil, bytes.TrimSpace(e.Data))
	if err != nil {
		return e.ContentType, e.Data // not reached: the decoder has read it
	}
	return e.ContentType, text
}

func badEvent(pointer, detail string) error {
	return api.InvalidRequest(api.FieldError{Pointer: pointer, Detail: detail})
}
