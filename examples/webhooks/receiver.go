// A receiver of confold's webhooks, with the standard library of Go.
//
// Run it with: WEBHOOK_SECRET=whsec_… go run receiver.go [PORT]
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const tolerance = 5 * time.Minute

var (
	secrets [][]byte
	mutex   sync.Mutex
	// The ids of messages that were taken. A real receiver keeps them with its data.
	seen = map[string]bool{}
)

type message struct {
	CallbackCommand string
	Event           *struct {
		Kind    string
		Owner   string
		GroupId string
		Version int
	}
}

// verify returns why a message is refused, or "".
func verify(header http.Header, body []byte) string {
	id, timestamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return "no id, or a timestamp that is not from the last minutes"
	}
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.", id, timestamp)
		mac.Write(body)
		expected := mac.Sum(nil)
		for _, word := range strings.Fields(header.Get("webhook-signature")) {
			given, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(word, "v1,"))
			if err == nil && strings.HasPrefix(word, "v1,") && hmac.Equal(expected, given) {
				return ""
			}
		}
	}
	return "the signature is wrong"
}

func take(body []byte) error {
	var received message
	if err := json.Unmarshal(body, &received); err != nil {
		return err
	}
	switch event := received.Event; {
	case event == nil:
		fmt.Println(received.CallbackCommand)
	case event.Owner == "":
		fmt.Println(event.Kind, event.GroupId)
	default:
		fmt.Println(event.Kind, event.Owner, event.Version)
	}
	return nil
}

func handle(response http.ResponseWriter, request *http.Request) {
	// Verify the bytes as they came. JSON that is parsed and written again has other bytes.
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, 32<<20))
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		why = verify(request.Header, body)
	}
	mutex.Lock()
	defer mutex.Unlock()
	if id := request.Header.Get("webhook-id"); why == "" && !seen[id] {
		if err := take(body); err != nil {
			why = err.Error()
		}
		seen[id] = why == ""
	}
	response.Header().Set("Content-Type", "application/json")
	if why != "" {
		fmt.Println("refused:", why)
		response.WriteHeader(http.StatusUnauthorized)
		json.NewEncoder(response).Encode(map[string]any{"ActionStatus": "FAIL", "ErrorCode": 1, "ErrorInfo": why})
		return
	}
	json.NewEncoder(response).Encode(map[string]any{"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})
}

func main() {
	// Several secrets can be separated by spaces, for a rotation.
	for _, text := range strings.Fields(os.Getenv("WEBHOOK_SECRET")) {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil {
			panic("WEBHOOK_SECRET is not base64")
		}
		secrets = append(secrets, secret)
	}
	port := "9000"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s/\n", listener.Addr())
	panic(http.Serve(listener, http.HandlerFunc(handle)))
}
