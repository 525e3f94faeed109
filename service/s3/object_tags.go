package s3

import (
	"net/url"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// headerTags are the tags of x-amz-tagging: a query string.
func headerTags(header *string) (map[string]string, error) {
	if val(header) == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(*header)
	if err != nil {
		return nil, malformedTags()
	}
	var tags []api.Tag
	for key, values := range query {
		if len(values) != 1 || key == "" {
			return nil, malformedTags()
		}
		tags = append(tags, api.Tag{Key: &key, Value: &values[0]})
	}
	return checkTags(tags, maxObjectTags)
}

func malformedTags() error {
	return invalid("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
}
