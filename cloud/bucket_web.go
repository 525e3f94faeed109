package cloud

// CORSRule lets scripts of other origins use a bucket:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html
type CORSRule struct {
	ID      string   `json:",omitempty"`
	Origins []string // such as "https://*.example.com", with one "*" at most
	Methods []string
	Headers []string `json:",omitempty"` // of requests, with one "*" each at most
	Expose  []string `json:",omitempty"` // headers of answers
	MaxAge  *int32   `json:",omitempty"` // seconds; nil: not said
}

// Website says how a bucket is served as a website:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html
type Website struct {
	Index    string        `json:",omitempty"` // suffix of keys that stand for folders
	Error    string        `json:",omitempty"` // key of the page for errors
	Redirect *SiteRedirect `json:",omitempty"` // of all requests; then there is nothing else
	Rules    []SiteRule    `json:",omitempty"`
}

// SiteRule redirects requests for keys with a prefix, and those that end with a status;
// Prefix and Status, where they are not empty, must both hold.
type SiteRule struct {
	Prefix   *string `json:",omitempty"`
	Status   string  `json:",omitempty"` // "404"
	Redirect SiteRedirect
}

// SiteRedirect says where to; what is empty stays as in the request.
type SiteRedirect struct {
	Host     string  `json:",omitempty"`
	Protocol string  `json:",omitempty"` // "http" or "https"
	Code     string  `json:",omitempty"` // "301"
	Prefix   *string `json:",omitempty"` // in place of the rule's
	Key      *string `json:",omitempty"` // in place of the whole
}
