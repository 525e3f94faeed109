package gateway

import (
	"fmt"
	"net/http"
	"strings"
)

// page answers what is not a request to a service: the health check of load
// balancers, and the curious who open the endpoint in a browser, which says what it
// accepts, as SDKs do not. It reports whether it did.
func (g *Gateway) page(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawQuery != "" || r.URL.Path != "/" && r.URL.Path != "/healthz" {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
		return false
	}
	if _, ok := g.site(r.Host); ok {
		return false
	}
	var text string
	switch service, bucket := g.byHost(r.Host); {
	case bucket != "":
		return false
	case r.URL.Path == "/healthz":
		text = "ok\n"
	case service == nil && r.Header.Get("Accept") != "":
		text = g.greeting(r)
	default:
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		fmt.Fprint(w, text)
	}
	return true
}

func (g *Gateway) greeting(r *http.Request) string {
	url := "http://" + r.Host
	if r.TLS != nil {
		url = "https://" + r.Host
	}
	names := make([]string, len(g.order))
	for i, e := range g.order {
		names[i] = e.api.Name
	}
	return fmt.Sprintf(`This is Vauban, a cloud that speaks the AWS API. Region %s; services: %s.

Point the AWS command line, an SDK or Terraform at it:

    export AWS_ENDPOINT_URL=%s
    export AWS_DEFAULT_REGION=%s
    export AWS_ACCESS_KEY_ID=...  AWS_SECRET_ACCESS_KEY=...    # "vauban env" prints them
    aws sts get-caller-identity

A client too old for AWS_ENDPOINT_URL takes --endpoint-url %s.
`, g.cfg.Region, strings.Join(names, ", "), url, g.cfg.Region, url)
}
