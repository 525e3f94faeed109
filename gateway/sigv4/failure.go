package sigv4

import "net/http"

// Dialect is a family of services that name the same failure alike.
type Dialect int

// The dialects.
const (
	Query Dialect = iota // the query protocol and REST-XML, but for EC2 and S3
	JSON                 // the JSON and CBOR protocols
	EC2
	S3
)

// Reason is why a request was refused.
type Reason int

// The reasons.
const (
	Unsigned     Reason = iota // no signature at all
	Incomplete                 // a signature that cannot be read
	WrongScope                 // signed for another service, region or day
	OpenHeader                 // a header that must be signed is not
	Expired                    // signed too long ago, or for the future
	UnknownKey                 // no such access key
	WrongToken                 // a session token that is not the key's
	ExpiredToken               // a session token whose time is over
	Mismatch                   // signed with another secret, or altered since
	BadPayload                 // S3: the body is not the one that was promised
)

// Failure is a refusal.
type Failure struct {
	Reason Reason
	Text   string      // in the words of the query and JSON services; empty: the reason's own
	S3     Answer      // of S3; zero: the reason's own
	Detail [][2]string // names and values that S3 tells besides
}

// Answer is an error as the caller sees it.
type Answer struct {
	Code, Message string
	Status        int // HTTP
}

// Error returns the answer of the query services.
func (f *Failure) Error() string {
	a := f.Answer(Query)
	return a.Code + ": " + a.Message
}

// Answer returns what AWS answers in the dialect. Sources:
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func (f *Failure) Answer(d Dialect) Answer {
	a := answerQuery(f.Reason)
	if f.Text != "" {
		a.Message = f.Text
	}
	switch {
	case d == S3 && f.S3 != (Answer{}):
		return f.S3
	case d == S3:
		return answerS3(f.Reason)
	case d == JSON:
		return Answer{codeJSON(f.Reason), a.Message, http.StatusBadRequest}
	case d == EC2:
		return answerEC2(f.Reason, a)
	default:
		return a
	}
}

func answerQuery(r Reason) Answer {
	switch r {
	case Unsigned:
		return Answer{"MissingAuthenticationToken", "Request is missing Authentication Token", http.StatusForbidden}
	case Incomplete:
		return Answer{"IncompleteSignature", "The request signature does not conform to AWS standards.", http.StatusBadRequest}
	case UnknownKey, WrongToken:
		return Answer{"InvalidClientTokenId", "The security token included in the request is invalid.", http.StatusForbidden}
	case ExpiredToken:
		return Answer{"ExpiredToken", "The security token included in the request is expired", http.StatusForbidden}
	default:
		return Answer{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.", http.StatusForbidden}
	}
}

func codeJSON(r Reason) string {
	switch r {
	case Unsigned:
		return "MissingAuthenticationTokenException"
	case Incomplete:
		return "IncompleteSignatureException"
	case UnknownKey, WrongToken:
		return "UnrecognizedClientException"
	case ExpiredToken:
		return "ExpiredTokenException"
	default:
		return "InvalidSignatureException"
	}
}

// answerEC2 turns the answer of the query services into EC2's, which does not
// tell an unknown key from a wrong secret.
func answerEC2(r Reason, a Answer) Answer {
	switch r {
	case Unsigned:
		return Answer{"MissingParameter", "The request must contain the parameter AWSAccessKeyId", http.StatusBadRequest}
	case Incomplete:
		return a
	case Expired:
		return Answer{"RequestExpired", "Request has expired. " + a.Message, http.StatusBadRequest}
	case ExpiredToken:
		return Answer{"RequestExpired", "Request has expired. " + a.Message, http.StatusBadRequest}
	case WrongScope, OpenHeader:
		return Answer{"AuthFailure", a.Message, http.StatusUnauthorized}
	default:
		return Answer{"AuthFailure", "AWS was not able to validate the provided access credentials", http.StatusUnauthorized}
	}
}

func answerS3(r Reason) Answer {
	switch r {
	case Unsigned:
		return Answer{"AccessDenied", "Access Denied", http.StatusForbidden}
	case OpenHeader:
		return Answer{"AccessDenied", "There were headers present in the request which were not signed", http.StatusForbidden}
	case Expired:
		return Answer{"RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", http.StatusForbidden}
	case UnknownKey:
		return Answer{"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", http.StatusForbidden}
	case WrongToken:
		return Answer{"InvalidToken", "The provided token is malformed or otherwise invalid.", http.StatusBadRequest}
	case ExpiredToken:
		return Answer{"ExpiredToken", "The provided token has expired.", http.StatusBadRequest}
	case Incomplete, WrongScope:
		return malformedS3(false, "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	case BadPayload:
		return Answer{"XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", http.StatusBadRequest}
	default:
		return Answer{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. " +
			"Check your key and signing method.", http.StatusForbidden}
	}
}

// malformedS3 is S3's word for a scope or credential that is wrong.
func malformedS3(presigned bool, text string) Answer {
	if presigned {
		return Answer{"AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential parameter; " + text, http.StatusBadRequest}
	}
	return Answer{"AuthorizationHeaderMalformed", "The authorization header is malformed; " + text, http.StatusBadRequest}
}
